# A Runtime API client of Ruby's own parts: net/http with one connection that is kept.
require 'json'
require 'net/http'

require ARGV[0]
host, port = ENV['AWS_LAMBDA_RUNTIME_API'].split(':')
root = '/2018-06-01/runtime/invocation'
Net::HTTP.start(host, port.to_i, read_timeout: nil) do |http|
  loop do
    event = http.get("#{root}/next")
    id = event['lambda-runtime-aws-request-id']
    answer = JSON.generate(handler(event: JSON.parse(event.body), context: nil))
    http.post("#{root}/#{id}/response", answer, 'Content-Type' => 'application/json')
  end
end
