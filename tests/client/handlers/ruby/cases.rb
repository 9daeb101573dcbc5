# frozen_string_literal: true

require 'stringio'

def same(event:, context:) = event

def context(event:, context:)
  {
    id: context.aws_request_id,
    arn: context.invoked_function_arn,
    trace: ENV.fetch('_X_AMZN_TRACE_ID', nil),
    tenant: context.tenant_id,
    client_context: context.client_context,
    cognito: context.identity,
    function: context.function_name,
    version: context.function_version,
    memory: context.memory_limit_in_mb,
    remaining: context.get_remaining_time_in_millis
  }
end

def fail(event:, context:)
  raise ArgumentError, event['message'] if event.key?('message')

  'fine'
end

def leave(event:, context:)
  return 'here' unless event.key?('code')

  warn 'leaving on purpose'
  exit event['code']
end

def killed(event:, context:)
  Process.kill(:KILL, Process.pid) if event.key?('kill')
  'alive'
end

def forks(event:, context:)
  return 'here' unless event.key?('code')

  spawn('sleep', '60', close_others: false)
  exit! event['code']
end

def splits(event:, context:)
  return 'child' unless fork

  sleep 0.1
  'parent'
end

def hang(event:, context:)
  sleep if event.key?('hang')
  'quick'
end

def big(event:, context:) = 'x' * event['size']

def logs(event:, context:)
  event.fetch('lines', 0).times { warn 'l' * 999 }
  puts event['out']
  warn event['err']
  'logged'
end

def invalid(event:, context:) = { number: Float::NAN }

def whole_range(event:, context:) = StringIO.new((0..255).to_a.pack('C*'))

def stream(event:, context:)
  Enumerator.new do |pieces|
    pieces << 'one'
    raise ArgumentError, 'half way' if event.key?('fail')

    pieces << 'two' << 'three'
  end
end

def web(event:, context:) = [{ statusCode: 201, headers: { 'x-test': 'yes' } }, 'made'].each
