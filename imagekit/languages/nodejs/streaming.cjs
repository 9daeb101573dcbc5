'use strict';
// `awslambda`, as AWS's own runtime has it: handlers that write their answer to a stream.
const { Writable } = require('stream');
const { HTTP } = require('./invocation.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

class ResponseStream extends Writable {
  constructor(invocation) {
    super();
    this.invocation = invocation;
    this.prelude = '';
  }

  setContentType(type) {
    this.contentType = type;
  }

  begin() {
    if (this.prelude) this.invocation.piece(this.prelude, this.contentType);
    this.prelude = '';
  }

  _write(piece, encoding, done) {
    this.begin();
    this.invocation.piece(piece, this.contentType).then(() => done());
  }

  _final(done) {
    this.begin();
    this.invocation.endStream(this.contentType);
    done();
  }
}

/** Calls a streaming handler; resolves when its stream has ended. */
function callStreaming(handler, event, context, invocation) {
  return new Promise((resolve, reject) => {
    const stream = new ResponseStream(invocation).on('error', reject).on('finish', resolve);
    Promise.resolve(handler(event, stream, context)).catch(reject);
  });
}

const awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMING]: 'response' }),
  HttpResponseStream: {
    /** Status, headers and cookies go ahead of the body, with eight NUL bytes after them. */
    from(stream, metadata) {
      stream.setContentType(HTTP);
      stream.prelude = `${JSON.stringify(metadata)}${'\0'.repeat(8)}`;
      return stream;
    },
  },
};

module.exports = { awslambda, callStreaming };
