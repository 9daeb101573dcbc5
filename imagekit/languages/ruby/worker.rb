# frozen_string_literal: true

# imagekit's worker for Ruby 2.7 and later: answers Lambda's events with a handler, over frames v1 (docs/frames.md).
# _HANDLER is `file.method` or `file.Module::Class.method`, which is called with `event:` and `context:`.
# An IO or StringIO is sent as it is. An Enumerator is streamed: texts as they are, anything else as a line of JSON; but
# a first piece that is a Hash with a `statusCode` is the head of an HTTP answer.
# `Imagekit.after_restore { … }` registers what is to be done after a SnapStart restore.

require 'json'

module Imagekit
  BINARY = 'application/octet-stream'
  HTTP = 'application/vnd.awslambda.http-integration-response'
  NESTING = { max_nesting: 1000 }.freeze
  ROOT = ENV.fetch('LAMBDA_TASK_ROOT')
  READS, WRITES = ENV.fetch('IMAGEKIT_FDS').split(',').zip(%w[rb wb]).map { |fd, mode| IO.for_fd(fd.to_i, mode) }
  [READS, WRITES].each { |io| io.close_on_exec = true }
  WRITES.sync = true
  PROCESS = Process.pid

  # A failure that Lambda has a name for, such as Runtime.HandlerNotFound.
  class Fault < StandardError
    attr_reader :type

    def initialize(type, message)
      super(message)
      @type = type
    end
  end

  # What a handler is told beside its event, by the names that AWS's own runtime has.
  class Context
    attr_reader :aws_request_id, :deadline_ms, :invoked_function_arn, :trace_id, :tenant_id, :identity, :client_context

    def initialize(fields)
      @aws_request_id, deadline, @invoked_function_arn, @trace_id, @tenant_id, identity, client =
        fields.first(7).map { |field| Imagekit.decode(field) }
      @deadline_ms = deadline.to_i
      @identity = Imagekit.parse(identity)
      @client_context = Imagekit.parse(client)
    end

    def get_remaining_time_in_millis
      [deadline_ms - Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond), 0].max
    end

    { function_name: 'FUNCTION_NAME', function_version: 'FUNCTION_VERSION', memory_limit_in_mb: 'FUNCTION_MEMORY_SIZE',
      log_group_name: 'LOG_GROUP_NAME', log_stream_name: 'LOG_STREAM_NAME' }.each do |name, variable|
      value = ENV["AWS_LAMBDA_#{variable}"]
      define_method(name) { value }
    end
  end

  module_function

  def after_restore(&hook)
    (@hooks ||= []) << hook
  end

  def send_frame(type, body, *fields)
    exit if Process.pid != PROCESS # a child that a handler has forked: the event is its parent's
    WRITES.write("#{[type, body.bytesize, *fields].join(' ')}\n", body)
  end

  # A field of a frame.
  def decode(field)
    return if field == '-'
    return field.force_encoding(Encoding::UTF_8) unless field.include?('%') # most have none, and gsub takes its time

    field.gsub(/%(\h\h)/) { Regexp.last_match(1).hex.chr }.force_encoding(Encoding::UTF_8).scrub
  end

  # The value of a JSON text; nil for none.
  def parse(text)
    JSON.parse(text, NESTING) unless text.nil? || text.empty?
  rescue JSON::ParserError => e
    raise Fault.new('Runtime.UnmarshalError', "this is not JSON: #{e.message}"), cause: nil
  end

  def generate(value)
    JSON.generate(value, NESTING)
  rescue JSON::JSONError, EncodingError => e
    raise Fault.new('Runtime.MarshalError', "the answer cannot be written as JSON: #{e.message}"), cause: nil
  end

  def message_of(error)
    error.message.to_s.dup.force_encoding(Encoding::UTF_8).scrub
  rescue StandardError, SystemStackError
    '(its message cannot be shown)'
  end

  # Logs an error and sends it, without the frames of the stack that led to the handler.
  def fail_with(type, error, *fields)
    known = error.is_a?(Fault)
    name = known ? error.type : error.class.name.to_s
    message = message_of(error)
    frames = (known && error.cause || error).backtrace || []
    stack = frames.take_while { |frame| !frame.start_with?(__FILE__) }.grep_v(/kernel_require\.rb/).first(100)
    $stderr.write(["#{name}: #{message}", *stack].join("\n    "), "\n")
    counted = known ? name : "Function.#{name.split('::').last.to_s.gsub(/[^A-Za-z]/, '')}"
    report = { errorType: name, errorMessage: message, stackTrace: stack.map(&:scrub) }
    send_frame(type, JSON.generate(report), *fields, counted)
  end

  def answer(value, id)
    return stream(value, id) if value.is_a?(Enumerator)
    return send_frame('OK', value.read.to_s, id, BINARY) if value.respond_to?(:read)

    send_frame('OK', generate(value), id)
  end

  # Before the first piece there is no stream, and an error is an error.
  def stream(pieces, id)
    begun = false
    pieces.each do |piece|
      http = !begun && piece.is_a?(Hash) && (piece.key?('statusCode') || piece.key?(:statusCode))
      body = piece.is_a?(String) ? piece : generate(piece) + (http ? "\0" * 8 : "\n")
      send_frame('STREAM', '', id, http ? HTTP : BINARY) unless begun
      begun = true
      send_frame('DATA', body, id)
    end
    send_frame('STREAM', '', id, BINARY) unless begun
    send_frame('END', '', id)
  rescue SystemExit, SignalException
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException -- an error of any kind is the handler's answer
    fail_with(begun ? 'FAIL' : 'ERR', e, id)
  end

  # What is called with an event: a method of the file, or of one of its classes or modules.
  def load_handler(name)
    path, file, target = name.match(%r{\A(.*/)?([^/.]+)\.(.+)\z})&.captures
    raise Fault.new('Runtime.MalformedHandlerName', "the handler '#{name}' is not file.method") unless file

    require File.absolute_path("#{path}#{file}", ROOT)
    scope, _, method = target.rpartition('.')
    (scope.empty? ? TOPLEVEL_BINDING.receiver : Object.const_get(scope)).method(method)
  rescue LoadError => e
    raise Fault.new('Runtime.ImportModuleError', e.message)
  rescue SyntaxError => e
    raise Fault.new('Runtime.UserCodeSyntaxError', e.message)
  rescue NameError => e
    raise unless e.backtrace.first.start_with?(__FILE__)

    raise Fault.new('Runtime.HandlerNotFound', "the file of the handler '#{name}' has no such method"), cause: nil
  end

  def invoke(handler, fields, body)
    context = Context.new(fields)
    ENV['_X_AMZN_TRACE_ID'] = context.trace_id
    answer(handler.call(event: parse(body.force_encoding(Encoding::UTF_8)), context: context), fields.first)
  rescue SystemExit, SignalException
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException -- an error of any kind is the handler's answer
    fail_with('ERR', e, fields.first)
  end

  def serve(handler)
    send_frame('READY', '')
    while (line = READS.gets)
      type, length, *fields = line.chomp.split(' ')
      body = READS.read(length.to_i)
      invoke(handler, fields, body) if type == 'INVOKE'
      next unless type == 'RESTORE'

      @hooks&.each(&:call)
      send_frame('READY', '')
    end
  end

  def use_gems
    version = RbConfig::CONFIG['ruby_version']
    found = ["#{ROOT}/vendor/bundle/ruby/#{version}", "/opt/ruby/gems/#{version}"].select { |path| Dir.exist?(path) }
    Gem.paths = { 'GEM_PATH' => [*found, *Gem.path].join(':') } unless found.empty?
    $LOAD_PATH.unshift(ROOT, '/opt/ruby/lib')
  end

  def main
    Encoding.default_external = Encoding::UTF_8
    [$stdout, $stderr].each { |log| log.sync = true }
    use_gems
    serve(load_handler(ENV.fetch('_HANDLER')))
  rescue SystemExit, SignalException
    raise
  rescue Exception => e # rubocop:disable Lint/RescueException -- whatever it is, Lambda is to know
    fail_with('INITERR', e)
    exit(1)
  end
end

Imagekit.main
