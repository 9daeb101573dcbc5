# The event as Ruby's values, and the context; what is returned is the answer.
def handle(event:, context:)
  { message: "#{ENV.fetch('GREETING')}, #{event.fetch('name')}!" }
end
