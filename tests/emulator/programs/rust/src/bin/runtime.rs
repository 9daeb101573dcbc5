use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if event.payload == json!("fail") {
        return Err("it failed".into());
    }
    if event.payload == json!("panic") {
        panic!("it panicked");
    }
    Ok(json!({"event": event.payload, "id": event.context.request_id, "arn": event.context.invoked_function_arn}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}
