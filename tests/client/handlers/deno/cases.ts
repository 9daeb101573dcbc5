import process from 'node:process';

// deno-lint-ignore no-explicit-any -- events are whatever a test says
type Event = any;
interface Context {
  awsRequestId: string;
  invokedFunctionArn: string;
  tenantId?: string;
  clientContext?: unknown;
  identity?: unknown;
  functionName: string;
  functionVersion: string;
  memoryLimitInMB: string;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
}
type Callback = (error: unknown, answer?: unknown) => void;

const log = (stream: typeof Deno.stderr, text: string) => {
  let rest = new TextEncoder().encode(text);
  while (rest.length) rest = rest.subarray(stream.writeSync(rest));
};
const never = () => new Promise<never>(() => setInterval(() => {}, 1000));

export const same = (event: Event): Event => event;

export const context = (_event: Event, context: Context) => ({
  id: context.awsRequestId,
  arn: context.invokedFunctionArn,
  trace: Deno.env.get('_X_AMZN_TRACE_ID') || null,
  tenant: context.tenantId || null,
  client_context: context.clientContext || null,
  cognito: context.identity || null,
  function: context.functionName,
  version: context.functionVersion,
  memory: context.memoryLimitInMB,
  remaining: context.getRemainingTimeInMillis(),
});

// deno-lint-ignore require-await -- it is a rejected promise that is wanted
export const fail = async (event: Event): Promise<string> => {
  if ('message' in event) throw new TypeError(event.message);
  return 'fine';
};

export const leave = (event: Event): string => {
  if ('code' in event) {
    log(Deno.stderr, 'leaving on purpose\n');
    Deno.exit(event.code);
  }
  return 'here';
};

export const killed = async (event: Event): Promise<string> => {
  if ('kill' in event) {
    Deno.kill(Deno.pid, 'SIGKILL');
    await never();
  }
  return 'alive';
};

export const forks = (event: Event): string => {
  if ('code' in event) {
    new Deno.Command('sleep', { args: ['60'] }).spawn();
    Deno.exit(event.code);
  }
  return 'here';
};

export const hang = async (event: Event): Promise<string> => ('hang' in event ? await never() : 'quick');

export const big = (event: Event): string => 'x'.repeat(event.size);

export const logs = (event: Event): string => {
  const line = `${'l'.repeat(999)}\n`;
  for (let n = 0; n < (event.lines || 0); n++) log(Deno.stderr, line);
  console.log(event.out);
  console.error(event.err);
  return 'logged';
};

export const invalid = () => ({ big: 1n });

export const whole_range = () => Uint8Array.from({ length: 256 }, (_, n) => n);

export async function* stream(event: Event) {
  yield 'one';
  await Promise.resolve();
  if ('fail' in event) throw new TypeError('half way');
  yield new TextEncoder().encode('two');
  yield 'three';
}

export function* web() {
  yield { statusCode: 201, headers: { 'x-test': 'yes' } };
  yield 'made';
}

export const late = (event: Event, context: Context, callback: Callback): void => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, 'first');
  if (event.late) {
    process.nextTick(() =>
      setTimeout(() => {
        throw new TypeError('too late');
      }, 50)
    );
  }
};

export const twice = (_event: Event, _context: Context, callback: Callback): void => {
  callback(null, 'first');
  callback(null, 'second');
  callback(new TypeError('third'));
};
