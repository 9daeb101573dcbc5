local greet = {}

-- The event as a table, and the context; what is returned is the answer.
function greet.handle(event, context)
  local name = event.name or error("the event has no name")
  return { message = os.getenv("GREETING") .. ", " .. name .. "!" }
end

return greet
