'use strict';
// Finds and loads the handler that `file.function` names.
const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { Fault } = require('./fault.cjs');

const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];
const ONLY_IN_MODULES = /\b(import|export|await)\b/;
// As Node.js, Bun and Deno say it.
const SYNTAX = /^(SyntaxError|BuildMessage|TypeError: (SyntaxError|The module's source code could not be parsed)):/;
const MISSING = /MODULE_NOT_FOUND$|^NotFound: Module not found/;

function find(root, name) {
  const file = path.resolve(root, name);
  const found = EXTENSIONS.map((extension) => file + extension).find((candidate) => fs.existsSync(candidate));
  // A name that is no file may be a package's, in node_modules or on NODE_PATH, as wrappers in Lambda layers are.
  return found || require.resolve(name, { paths: [root] });
}

async function evaluate(file) {
  if (process.versions.bun) return import(file); // its require() leaves a module with top-level await half loaded
  try {
    return require(file); // several milliseconds faster than import()
  } catch (error) {
    const syntax = error instanceof SyntaxError && ONLY_IN_MODULES.test(error.message);
    if (!syntax && !/^ERR_REQUIRE/.test(error && error.code)) throw error;
    return import(pathToFileURL(file).href);
  }
}

/** The function; before its file there may be folders, after it objects: `src/app.api.handler`. */
async function load(root, wanted) {
  const parts = /^(.*\/)?([^/.]+)\.([^/]+)$/.exec(wanted);
  if (!parts) throw new Fault('Runtime.MalformedHandlerName', `the handler '${wanted}' is not file.function`);
  let module;
  try {
    module = await evaluate(find(root, (parts[1] || '') + parts[2]));
  } catch (error) {
    const [text] = String(error).split('\nRequire stack:'); // which names the worker's files
    if (SYNTAX.test(text)) throw new Fault('Runtime.UserCodeSyntaxError', text, error);
    if (MISSING.test(error && error.code) || MISSING.test(text)) {
      throw new Fault('Runtime.ImportModuleError', text, error);
    }
    throw error;
  }
  const within = (exported) => parts[3].split('.').reduce((object, key) => object && object[key], exported);
  const handler = within(module) || within(module.default);
  if (typeof handler === 'function') return handler;
  throw new Fault('Runtime.HandlerNotFound', `${wanted} is undefined or not exported`);
}

module.exports = { load };
