<?php

// Answers Lambda's events with a PHP handler, over frames v1 (docs/frames.md).
// _HANDLER is "file.function", or a file that returns a callable. It gets the event, JSON objects as arrays, and a
// Context. What it returns is sent as JSON; but an open stream (fopen) is sent byte for byte, and a Generator is
// streamed: pieces of text, the first may be ['statusCode' => …, 'headers' => …] for HTTP. after_restore() is called
// after a SnapStart restore.

namespace Imagekit;

const ABSENT = [null, null, null, null, null, null, null, null, null];
const JSON = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION;

final class Context extends \stdClass
{
    public ?string $awsRequestId = null, $invokedFunctionArn = null, $traceId = null, $tenantId = null;
    public int $deadlineMs = 0;
    public mixed $identity = null, $clientContext = null;
    public string|false $functionName, $functionVersion, $memoryLimitInMB, $logGroupName, $logStreamName;

    public function __construct() // once: each event has a copy, which is quicker than a new one
    {
        $this->functionName = getenv('AWS_LAMBDA_FUNCTION_NAME');
        $this->functionVersion = getenv('AWS_LAMBDA_FUNCTION_VERSION');
        $this->memoryLimitInMB = getenv('AWS_LAMBDA_FUNCTION_MEMORY_SIZE');
        $this->logGroupName = getenv('AWS_LAMBDA_LOG_GROUP_NAME');
        $this->logStreamName = getenv('AWS_LAMBDA_LOG_STREAM_NAME');
    }

    public function getRemainingTimeInMillis(): int
    {
        return max(0, $this->deadlineMs - (int) (microtime(true) * 1000));
    }
}

final class Fault extends \Exception // a failure that Lambda has a name for
{
    public function __construct(public readonly string $type, string $message)
    {
        parent::__construct($message);
    }
}

function send(string $frame, string $body = '', string ...$fields): void
{
    PROCESS && getmypid() !== PROCESS && exit(0); // a child that a handler has forked: the event is its parent's
    fwrite(OUT, implode(' ', [$frame, strlen($body), ...$fields]) . "\n$body");
}

function fail(string $frame, \Throwable $error, string ...$fields): void
{
    $type = $error instanceof Fault ? $error->type : $error::class;
    $counted = $error instanceof Fault ? $type : 'Function.' . substr(strrchr("\\$type", '\\'), 1);
    $own = '/ ' . preg_quote(__FILE__, '/') . '\(|\{main\}$/';
    $calls = preg_grep($own, explode("\n", $error->getTraceAsString()), PREG_GREP_INVERT);
    $at = $error->getFile() === __FILE__ ? [] : ["{$error->getFile()}({$error->getLine()})"];
    $stack = array_slice([...$at, ...$calls], 0, 100);
    fwrite(STDERR, implode("\n    ", ["$type: {$error->getMessage()}", ...$stack]) . "\n");
    $body = ['errorType' => $type, 'errorMessage' => $error->getMessage(), 'stackTrace' => $stack];
    $fields[] = preg_match('/^\w+\.[A-Z][A-Za-z]*$/', $counted) ? $counted : '-';
    send($frame, json_encode($body, JSON | JSON_INVALID_UTF8_SUBSTITUTE), ...$fields);
}

function encoded(mixed $value): string
{
    $text = json_encode($value, JSON);
    return $text !== false ? $text
        : throw new Fault('Runtime.MarshalError', 'the answer is not JSON: ' . json_last_error_msg());
}

function decoded(?string $text): mixed
{
    $value = json_decode($text === '' || $text === null ? 'null' : $text, true);
    return json_last_error() === JSON_ERROR_NONE ? $value
        : throw new Fault('Runtime.UnmarshalError', 'this is not JSON: ' . json_last_error_msg());
}

function handlerFile(): string
{
    [$name, $root] = [(string) getenv('_HANDLER'), getenv('LAMBDA_TASK_ROOT') ?: getcwd()];
    is_file("$root/vendor/autoload.php") && require_once "$root/vendor/autoload.php";
    foreach (["$root/$name", "$root/$name.php", "$root/" . preg_replace('/\.[^.\/]*$/', '.php', $name)] as $file) {
        if (is_file($file)) {
            return $file;
        }
    }
    throw new Fault('Runtime.ImportModuleError', "handler '$name': there is no file $file");
}

function handler(mixed $returned): callable
{
    $function = preg_match('/\.([^.\/]+)$/', getenv('_HANDLER'), $part) ? $part[1] : '';
    return is_callable($function) ? $function : (is_callable($returned) ? $returned
        : throw new Fault('Runtime.HandlerNotFound', "its file has no function '$function' and returns no callable"));
}

function stream(string $id, \Generator $pieces): void
{
    $http = is_array($pieces->current()); // an error up to here is an ordinary one
    send('STREAM', '', $id, $http ? 'application/vnd.awslambda.http-integration-response' : 'application/octet-stream');
    try {
        for (; $pieces->valid(); $pieces->next()) {
            $piece = $pieces->current();
            send('DATA', is_array($piece) ? encoded($piece) . str_repeat("\0", 8) : (string) $piece, $id);
        }
        send('END', '', $id);
    } catch (\Throwable $error) {
        fail('FAIL', $error, $id);
    }
}

function invoke(callable $handler, string $body, string $header, array $words): void
{
    $id = $words[2];
    foreach (array_keys($words, '-', true) as $absent) {
        $words[$absent] = null;
    }
    if (str_contains($header, '%')) { // most have none, and nothing to decode
        $words = array_map(fn ($word) => $word === null ? null : rawurldecode($word), $words);
    }
    [, , $name, $deadline, $arn, $trace, $tenant, $identity, $client] = $words + ABSENT;
    putenv($trace === null ? '_X_AMZN_TRACE_ID' : "_X_AMZN_TRACE_ID=$trace");
    $_SERVER['_X_AMZN_TRACE_ID'] = $_ENV['_X_AMZN_TRACE_ID'] = $trace;
    try {
        $context = clone CONTEXT;
        $context->awsRequestId = $name;
        $context->deadlineMs = (int) $deadline;
        $context->invokedFunctionArn = $arn;
        $context->traceId = $trace;
        $context->tenantId = $tenant;
        $context->identity = $identity === null ? null : decoded($identity);
        $context->clientContext = $client === null ? null : decoded($client);
        $answer = $handler(decoded($body), $context);
        match (true) {
            $answer instanceof \Generator => stream($id, $answer),
            is_resource($answer) => send('OK', stream_get_contents($answer), $id, 'application/octet-stream'),
            default => send('OK', encoded($answer), $id),
        };
    } catch (\Throwable $error) {
        fail('ERR', $error, $id);
    }
}

function serve(callable $handler): void
{
    send('READY');
    while ($line = fgets(IN)) {
        $words = explode(' ', rtrim($line));
        $length = (int) $words[1];
        $body = $length ? stream_get_contents(IN, $length) : '';
        if ($words[0] === 'INVOKE' && strlen($body) === $length) {
            invoke($handler, $body, $line, $words);
        } elseif ($words[0] === 'RESTORE') {
            mt_srand(); // restored copies of one snapshot must not draw the same numbers
            is_callable('after_restore') && after_restore();
            send('READY');
        }
    }
}

[$in, $out] = explode(',', getenv('IMAGEKIT_FDS'));
define('Imagekit\IN', fopen("php://fd/$in", 'r'));
define('Imagekit\OUT', fopen("php://fd/$out", 'w'));
stream_set_chunk_size(IN, 65536);
define('Imagekit\CONTEXT', new Context());
define('Imagekit\PROCESS', function_exists('pcntl_fork') ? getmypid() : 0);
try {
    serve(handler(require handlerFile())); // loaded at the top level, where its variables are global
} catch (\Throwable $error) {
    $where = "{$error->getMessage()} in {$error->getFile()} on line {$error->getLine()}";
    fail('INITERR', $error instanceof \CompileError ? new Fault('Runtime.UserCodeSyntaxError', $where) : $error);
    exit(1);
}
