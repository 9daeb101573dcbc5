-- Answers Lambda's events with a Lua handler, over frames v1 (docs/frames.md).
--
-- _HANDLER is "file.function": a function of the table that the file returns, or a global one. It gets the event,
-- decoded, and a context with aws_request_id, get_remaining_time_in_millis() and so on. What it returns is sent as
-- JSON, but what context.bytes(text, content_type) makes as it is. What it yields (coroutine.yield) is streamed; the
-- first piece may be a table, {statusCode = ..., headers = ...}, for HTTP. after_restore() is called after a
-- SnapStart restore. For null and empty arrays: require "lambda_json". Lua cannot set the environment: os.getenv
-- knows _X_AMZN_TRACE_ID, programs do not.
local root, here = os.getenv("LAMBDA_TASK_ROOT") or ".", arg[0]:match("^(.*)/") or "."
local rocks = root .. "/lua_modules/%s/lua/" .. _VERSION:match("%d.%d") .. "/?"
package.path = root .. "/?.lua;" .. root .. "/?/init.lua;" .. rocks:format("share") .. ".lua;" .. rocks:format("share")
  .. "/init.lua;" .. package.path
package.cpath = root .. "/?.so;" .. rocks:format("lib") .. ".so;" .. package.cpath
local json = dofile(here .. "/lambda_json.lua")
package.loaded.lambda_json = json

local from, to = os.getenv("IMAGEKIT_FDS"):match("(%d+),(%d+)")
-- Lua cannot set close-on-exec, but it starts programs by a shell only, which closes the channel: 3 to 6, as a rule.
local closing = "exec"
local function closes(number) closing = closing .. (#number == 1 and " " .. number .. "<&-" or "") end
local function open(descriptor, mode)
  local number, file = 2, nil
  repeat
    number = number + 1
    file = io.open("/proc/self/fdinfo/" .. number) -- none: this is the next one
  until not file or not file:close()
  closes(descriptor)
  closes(tostring(number))
  return assert(io.open("/proc/self/fd/" .. descriptor, mode))
end
local input, output = open(from, "rb"), open(to, "wb")
local execute, popen = os.execute, io.popen
function os.execute(command) return execute(command and closing .. "; " .. command) end
function io.popen(command, ...) return popen(closing .. "; " .. command, ...) end
output:setvbuf("full", 65536)
local getenv, trace = os.getenv, nil
function os.getenv(name) if name == "_X_AMZN_TRACE_ID" then return trace end return getenv(name) end

-- Lua has no fork, but libraries have. What comes back in a child is not the worker: the event is its parent's.
local loaded_by, child, guarded = require, false, setmetatable({}, {__mode = "k"})
local function forked(process, ...)
  child = child or process == 0
  return process, ...
end
function require(name)
  local module, from = loaded_by(name)
  local fork = type(module) == "table" and rawget(module, "fork")
  if type(fork) == "function" and not guarded[module] then
    guarded[module] = true
    module.fork = function(...) return forked(fork(...)) end
  end
  return module, from
end

local function send(frame, body, ...)
  if child then os.exit() end
  io.stdout:flush() -- logs are written before the environment is frozen
  output:write(table.concat({frame, #body, ...}, " "), "\n", body)
  output:flush()
end

-- What Lambda has a name for. A handler may raise such a table too; a text that it raises is of the type Error.
local function fault(kind, message) error({errorType = kind, errorMessage = message}, 0) end

local function utf8_of(value)
  local shown, text = pcall(tostring, value)
  if not shown then return "(its message cannot be shown)" end
  return utf8.len(text) and text or (text:gsub("[\x80-\xFF]", "?"))
end

local function parts(problem) return problem.errorType, problem.errorMessage end

local own = debug.getinfo(1, "S").short_src .. ":"

local function fail(frame, id, problem, stack)
  local read, known, message = pcall(parts, type(problem) == "table" and problem or {})
  if not read then known = nil end
  local kind, text = utf8_of(known or "Error"), utf8_of(known and message or problem)
  local lines = json.array()
  for line in stack:gmatch("\t([^\n]+)") do
    local theirs = not line:find("^%[C%]") and not line:find(own, 1, true)
    if theirs and #lines < 100 then lines[#lines + 1] = utf8_of(line) end
  end
  pcall(io.stderr.write, io.stderr, kind, ": ", table.concat({text, table.unpack(lines)}, "\n    "), "\n")
  local counted = kind:find("^%u%a+%.") and kind or "Function." .. kind
  counted = counted:match("^%u%a+%.%u%a*$") or "-"
  local body = json.encode({errorType = kind, errorMessage = text, stackTrace = lines})
  if id then send(frame, body, id, counted) else send(frame, body, counted) end
end

-- Calls what the user wrote, in a coroutine: what it yields goes to `piece`. Returns true and its result, or false, the
-- error and its stack.
local function run(piece, called, ...)
  local thread = coroutine.create(called)
  local done, result = coroutine.resume(thread, ...)
  while done and coroutine.status(thread) == "suspended" do
    done, result = pcall(piece, result)
    if done then done, result = coroutine.resume(thread) end
  end
  return done, result, not done and debug.traceback(thread) or nil
end

local function handler()
  local wanted = getenv("_HANDLER") or ""
  local path, name = wanted:match("^(.+)%.([^./]+)$")
  if not path then
    fault("Runtime.MalformedHandlerName", "the handler '" .. wanted .. "' is not of the form file.function")
  end
  local file = root .. "/" .. path .. ".lua"
  local opened, why = io.open(file)
  if not opened then fault("Runtime.ImportModuleError", "the handler's file cannot be read: " .. why) end
  opened:close()
  local chunk, mistake = loadfile(file)
  if not chunk then fault("Runtime.UserCodeSyntaxError", mistake) end
  local module = chunk(path)
  local found = type(module) == "table" and module or _G
  local called = found[name] or _G[name]
  if type(called) ~= "function" then fault("Runtime.HandlerNotFound", file .. " has no function " .. name) end
  return {called, found.after_restore or _G.after_restore or function() end}
end

local function field(text)
  if not text or text == "-" then return nil end
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

local function json_or_fault(kind, call, value)
  local done, result = pcall(call, value)
  if not done then fault(kind, "this is not JSON: " .. result) end
  return result
end

local environment = {function_name = "FUNCTION_NAME", function_version = "FUNCTION_VERSION",
  memory_limit_in_mb = "FUNCTION_MEMORY_SIZE", log_group_name = "LOG_GROUP_NAME", log_stream_name = "LOG_STREAM_NAME"}
for name, variable in pairs(environment) do environment[name] = getenv("AWS_LAMBDA_" .. variable) end

local Bytes = {}

local function context(id, deadline, arn, tenant, identity, client)
  local told = {aws_request_id = field(id), deadline_ms = tonumber(deadline) or 0, invoked_function_arn = field(arn),
    trace_id = trace, tenant_id = field(tenant), identity = field(identity), client_context = field(client)}
  told.identity = told.identity and json.decode(told.identity)
  told.client_context = told.client_context and json.decode(told.client_context)
  for name, value in pairs(environment) do told[name] = value end
  function told.bytes(text, content_type)
    return setmetatable({tostring(text), content_type or "application/octet-stream"}, Bytes)
  end
  -- Lua's own clock has whole seconds.
  function told.get_remaining_time_in_millis()
    local clock = io.popen("date +%s%3N")
    local now = tonumber(clock:read("l")) or os.time() * 1000
    clock:close()
    return math.max(0, told.deadline_ms - now)
  end
  return told
end

local function invoke(called, body, id, deadline, arn, traced, ...)
  trace = field(traced)
  local streams = false
  local function piece(text)
    local http = type(text) == "table"
    if not streams then
      send("STREAM", "", id, "application/" .. (http and "vnd.awslambda.http-integration-response" or "octet-stream"))
    end
    streams = true
    send("DATA", http and json.encode(text) .. ("\0"):rep(8) or tostring(text), id)
  end
  local done, result, stack = run(piece, function(...)
    local event = #body > 0 and json_or_fault("Runtime.UnmarshalError", json.decode, body) or nil
    local answer = called(event, ...)
    if streams or getmetatable(answer) == Bytes then return answer end
    return {json_or_fault("Runtime.MarshalError", json.encode, answer), "-"}
  end, context(id, deadline, arn, ...))
  if not done then fail(streams and "FAIL" or "ERR", id, result, stack)
  elseif streams then send("END", "", id)
  else send("OK", result[1], id, (result[2]:gsub("[^!-$&-~]", function(c) return ("%%%02X"):format(c:byte()) end))) end
end

local nothing = function() end
local loaded, made, stack = run(nothing, handler)
if not loaded then
  local text = type(made) == "string" and made or ""
  if text:find("module '[^']+' not found") then
    made = {errorType = "Runtime.ImportModuleError", errorMessage = text}
  end
  fail("INITERR", nil, made, stack)
  os.exit(1, true)
end
local called, after_restore = made[1], made[2]
send("READY", "")
for line in input:lines() do
  local fields = {}
  for text in line:gmatch("%S+") do fields[#fields + 1] = text end
  local length = tonumber(fields[2])
  local body = length > 0 and input:read(length) or ""
  if #body < length then break end
  if fields[1] == "INVOKE" then
    invoke(called, body, table.unpack(fields, 3, 10))
  elseif fields[1] == "RESTORE" then
    math.randomseed() -- restored copies of one snapshot must not draw the same numbers
    local restored, problem, calls = run(nothing, after_restore)
    if restored then send("READY", "") else fail("INITERR", nil, problem, calls) end
  end
end
