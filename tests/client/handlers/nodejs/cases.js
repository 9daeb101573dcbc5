'use strict';
const { spawn } = require('child_process');
const fs = require('fs');

exports.same = async (event) => event;

exports.context = async (event, context) => ({
  id: context.awsRequestId,
  arn: context.invokedFunctionArn,
  trace: process.env._X_AMZN_TRACE_ID || null,
  tenant: context.tenantId || null,
  client_context: context.clientContext || null,
  cognito: context.identity || null,
  function: context.functionName,
  version: context.functionVersion,
  memory: context.memoryLimitInMB,
  remaining: context.getRemainingTimeInMillis(),
});

exports.fail = async (event) => {
  if ('message' in event) throw new TypeError(event.message);
  return 'fine';
};

exports.leave = async (event) => {
  if ('code' in event) {
    fs.writeSync(2, 'leaving on purpose\n');
    process.exit(event.code);
  }
  return 'here';
};

exports.killed = async (event) => {
  if ('kill' in event) {
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => setInterval(() => {}, 1000));
  }
  return 'alive';
};

exports.forks = async (event) => {
  if ('code' in event) {
    const child = spawn('sleep', ['60'], { stdio: [0, 1, 2, 3], detached: true });
    await new Promise((resolve) => child.on('spawn', resolve));
    process.exit(event.code);
  }
  return 'here';
};

exports.hang = (event, context, callback) => {
  if ('hang' in event) setInterval(() => {}, 1000);
  else callback(null, 'quick');
};

exports.big = async (event) => 'x'.repeat(event.size);

exports.logs = async (event) => {
  const line = `${'l'.repeat(999)}\n`;
  for (let n = 0; n < (event.lines || 0); n++) fs.writeSync(2, line);
  console.log(event.out);
  console.error(event.err);
  return 'logged';
};

exports.invalid = async () => ({ big: 1n });

exports.whole_range = async () => Buffer.from(Array.from({ length: 256 }, (_, n) => n));

exports.stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('one');
  if ('fail' in event) throw new TypeError('half way');
  stream.write('two');
  stream.write('three');
  stream.end();
});

exports.web = awslambda.streamifyResponse(async (event, stream) => {
  const answer = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-test': 'yes' } });
  answer.end('made');
});

exports.late = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, 'first');
  if (event.late) {
    setTimeout(() => {
      throw new TypeError('too late');
    }, 50);
  }
};

exports.twice = (event, context, callback) => {
  callback(null, 'first');
  callback(null, 'second');
  callback(new TypeError('third'));
};
