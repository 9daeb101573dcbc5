import bcrypt

KNOWN = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(rounds=4))


def lambda_handler(event, context):
    return {"accepted": bcrypt.checkpw(event["password"].encode(), KNOWN)}
