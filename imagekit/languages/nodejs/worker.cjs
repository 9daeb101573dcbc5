'use strict';
// imagekit's worker for Node.js, Deno and Bun: answers events with the handler's function.
// `process.on('restore', hook)` is called, and waited for, after a SnapStart restore.
const { receive, send, socket } = require('./channel.cjs');
const { Context, parse, textOf } = require('./context.cjs');
const { Fault, describe, log } = require('./fault.cjs');
const { load } = require('./handler.cjs');
const { logged } = require('./logs.cjs');
const { Invocation, atOnce, open } = require('./invocation.cjs');

const env = process.env;
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
let handler; // once it is loaded
let dying = false; // nothing is begun any more

/** What the handler returns, or gives to its callback when it returns nothing, as AWS's own runtime has it. */
function call(event, context, invocation) {
  return new Promise((resolve, reject) => {
    let given; // to the callback
    const settle = (value) => resolve(given ? given.value : value);
    const callback = (error, value) => {
      if (given) return; // the first call counts
      if (error !== undefined && error !== null) reject(error);
      given = { value };
      invocation.drained = settle;
      if (!context.callbackWaitsForEmptyEventLoop) settle();
    };
    context.succeed = resolve;
    context.fail = reject;
    context.done = (error, value) => (error ? reject(error) : resolve(value));
    const returned = handler(event, context, callback);
    const answers = handler.length < 3 ? returned !== undefined : returned && typeof returned.then === 'function';
    if (answers) Promise.resolve(returned).then(settle, reject);
    else invocation.drained = settle;
  });
}

async function invoke(fields, body) {
  const invocation = new Invocation(fields[0], fields);
  try {
    const event = parse('event', textOf(body));
    const context = new Context(invocation.fields);
    if (atOnce === 1) env._X_AMZN_TRACE_ID = context.xRayTraceId || ''; // one for all: only where events do not meet
    if (handler[STREAMING]) await require('./streaming.cjs').callStreaming(handler, event, context, invocation);
    else await invocation.answer(await call(event, context, invocation));
  } catch (error) {
    invocation.fail(error);
  }
}

/** Reports what nobody caught for all that has no answer yet, and ends. */
async function die(error) {
  if (open.size === 0) log(error);
  if (dying) return;
  dying = true;
  if (handler) send('BYE', '', []); // before the error, which makes room for another event
  const reports = [...open.values()].map((invocation) => invocation.fail(error));
  await Promise.all([...reports, logged()]);
  if (!handler) {
    const [body, type] = describe(error);
    send('INITERR', body, [type]);
  }
  socket.on('finish', () => process.exit(1)); // the end of file goes with the last frame, so that no event comes
  socket.end();
}

async function restore() {
  await Promise.all(process.listeners('restore').map((hook) => hook()));
  send('READY', '', [atOnce]);
}

Object.defineProperty(globalThis, 'awslambda', { get: () => require('./streaming.cjs').awslambda });
process.on('uncaughtException', die);
process.on('unhandledRejection', (reason) => {
  die(new Fault('Runtime.UnhandledPromiseRejection', String(reason), reason));
});
process.on('beforeExit', () => {
  if (!handler) die(new Fault('Runtime.NodeJsExit', 'the file waits for a promise that nothing is left to settle'));
  open.forEach((invocation) => invocation.drained());
});
socket.on('error', () => process.exit(1));
// The handler's own SIGTERM listeners get the time that the client leaves them.
socket.on('end', () => (process.listenerCount('SIGTERM') ? setTimeout(process.exit, 1000, 0) : process.exit(0)));
socket.unref();
load(env.LAMBDA_TASK_ROOT, env._HANDLER).then((loaded) => {
  handler = loaded;
  receive(([type, , ...fields], body) => {
    if (type === 'INVOKE') invoke(fields, body);
    if (type === 'RESTORE') restore().catch(die);
  });
  socket.ref();
  send('READY', '', [atOnce]);
}, die);
