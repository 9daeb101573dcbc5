import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';

type Event = any;
type Callback = (error: unknown, answer?: unknown) => void;
type Streaming = (event: Event, stream: Writable) => Promise<void>;
declare const awslambda: {
  streamifyResponse(handler: Streaming): Streaming;
  HttpResponseStream: { from(stream: Writable, metadata: object): Writable };
};

const log = (text: string) => {
  for (let rest = Buffer.from(text); rest.length; rest = rest.subarray(writeSync(2, rest)));
};
const never = () => new Promise<never>(() => setInterval(() => {}, 1000));

export const same = async (event: Event) => event;

export const context = async (_event: Event, context: any) => ({
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

export const fail = async (event: Event) => {
  if ('message' in event) throw new TypeError(event.message);
  return 'fine';
};

export const leave = async (event: Event) => {
  if ('code' in event) {
    log('leaving on purpose\n');
    process.exit(event.code);
  }
  return 'here';
};

export const killed = async (event: Event) => {
  if ('kill' in event) {
    process.kill(process.pid, 'SIGKILL');
    await never();
  }
  return 'alive';
};

export const forks = async (event: Event) => {
  if ('code' in event) {
    Bun.spawn(['sleep', '60'], { stdio: ['inherit', 'inherit', 'inherit'] });
    process.exit(event.code);
  }
  return 'here';
};

export const hang = async (event: Event) => ('hang' in event ? await never() : 'quick');

export const big = async (event: Event) => 'x'.repeat(event.size);

export const logs = async (event: Event) => {
  const line = `${'l'.repeat(999)}\n`;
  for (let n = 0; n < (event.lines || 0); n++) log(line);
  console.log(event.out);
  console.error(event.err);
  return 'logged';
};

export const invalid = async () => ({ big: 1n });

export const whole_range = async () => Uint8Array.from({ length: 256 }, (_, n) => n);

export const stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.write('one');
  if ('fail' in event) throw new TypeError('half way');
  stream.write('two');
  stream.end('three');
});

export const web = awslambda.streamifyResponse(async (_event, stream) => {
  const answer = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { 'x-test': 'yes' } });
  answer.end('made');
});

export const late = (event: Event, context: any, callback: Callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, 'first');
  if (event.late) {
    setTimeout(() => {
      throw new TypeError('too late');
    }, 50);
  }
};

export const twice = (_event: Event, _context: any, callback: Callback) => {
  callback(null, 'first');
  callback(null, 'second');
  callback(new TypeError('third'));
};
