local cases = {}
local null = require("lambda_json").null

function cases.same(event) return event end

function cases.context(_, context)
  return {
    id = context.aws_request_id,
    arn = context.invoked_function_arn,
    trace = os.getenv("_X_AMZN_TRACE_ID") or null,
    tenant = context.tenant_id or null,
    client_context = context.client_context or null,
    cognito = context.identity or null,
    ["function"] = context.function_name,
    version = context.function_version,
    memory = context.memory_limit_in_mb,
    remaining = context.get_remaining_time_in_millis(),
  }
end

function cases.fail(event)
  if event.message then error(event.message) end
  return "fine"
end

function cases.leave(event)
  if not event.code then return "here" end
  io.stderr:write("leaving on purpose\n")
  os.exit(event.code)
end

function cases.killed(event)
  if event.kill then os.execute("kill -KILL $PPID") end
  return "alive"
end

function cases.forks(event)
  if not event.code then return "here" end
  os.execute("sleep 60 >/dev/null 2>&1 &")
  os.exit(event.code)
end

function cases.hang(event)
  while event.hang do os.execute("sleep 1") end
  return "quick"
end

function cases.big(event) return ("x"):rep(event.size) end

function cases.logs(event)
  for _ = 1, event.lines or 0 do io.stderr:write(("l"):rep(999), "\n") end
  print(event.out)
  io.stderr:write(event.err, "\n")
  return "logged"
end

function cases.invalid() return {["a function"] = print} end

function cases.whole_range(_, context)
  local bytes = {}
  for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
  return context.bytes(table.concat(bytes))
end

function cases.stream(event)
  coroutine.yield("one")
  if event.fail then error("half way") end
  coroutine.yield("two")
  coroutine.yield("three")
end

function cases.web()
  coroutine.yield({statusCode = 201, headers = {["x-test"] = "yes"}})
  coroutine.yield("made")
end

return cases
