'use strict';
// What a handler is told beside its event, by the names that AWS's own runtime has.
const { Fault } = require('./fault.cjs');

const { env } = process;
const {
  AWS_LAMBDA_FUNCTION_NAME: functionName,
  AWS_LAMBDA_FUNCTION_VERSION: functionVersion,
  AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memoryLimitInMB,
  AWS_LAMBDA_LOG_GROUP_NAME: logGroupName,
  AWS_LAMBDA_LOG_STREAM_NAME: logStreamName,
} = env;

/** The value of a JSON text; null for none. */
function parse(what, text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch (error) {
    throw new Fault('Runtime.UnmarshalError', `the ${what} is not JSON: ${error.message}`);
  }
}

/** An event's text. What is no UTF-8 would become U+FFFD, and no error of JSON. */
function textOf(body) {
  const text = body.toString();
  if (!text.includes('\ufffd') || Buffer.from(text).equals(body)) return text;
  throw new Fault('Runtime.UnmarshalError', 'the event is not UTF-8');
}

class Context {
  constructor([id, deadline, arn, trace, tenant, cognito, client]) {
    this.awsRequestId = id;
    this.invokedFunctionArn = arn;
    this.functionName = functionName;
    this.functionVersion = functionVersion;
    this.memoryLimitInMB = memoryLimitInMB;
    this.logGroupName = logGroupName;
    this.logStreamName = logStreamName;
    this.tenantId = tenant;
    this.xRayTraceId = trace;
    this.identity = cognito && parse('Cognito identity', cognito);
    this.clientContext = client && parse('client context', client);
    this.callbackWaitsForEmptyEventLoop = true;
    this.getRemainingTimeInMillis = () => deadline - Date.now();
  }
}

module.exports = { Context, parse, textOf };
