<?php

function same($event)
{
    return $event;
}

function context($event, $context)
{
    return [
        'id' => $context->awsRequestId,
        'arn' => $context->invokedFunctionArn,
        'trace' => getenv('_X_AMZN_TRACE_ID') ?: null,
        'tenant' => $context->tenantId,
        'client_context' => $context->clientContext,
        'cognito' => $context->identity,
        'function' => $context->functionName,
        'version' => $context->functionVersion,
        'memory' => $context->memoryLimitInMB,
        'remaining' => $context->getRemainingTimeInMillis(),
    ];
}

function fail($event)
{
    return isset($event['message']) ? throw new DomainException($event['message']) : 'fine';
}

function leave($event)
{
    if (!isset($event['code'])) {
        return 'here';
    }
    fwrite(STDERR, "leaving on purpose\n");
    exit($event['code']);
}

function killed($event)
{
    if (isset($event['kill'])) {
        posix_kill(getmypid(), 9);
    }
    return 'alive';
}

function forks($event)
{
    if (!isset($event['code'])) {
        return 'here';
    }
    exec('sleep 60 >/dev/null 2>&1 &');
    exit($event['code']);
}

function splits($event)
{
    if (pcntl_fork() === 0) {
        return 'child';
    }
    usleep(100000);
    return 'parent';
}

function hang($event)
{
    while (isset($event['hang'])) {
        sleep(60);
    }
    return 'quick';
}

function big($event)
{
    return str_repeat('x', $event['size']);
}

function logs($event)
{
    for ($line = 0; $line < ($event['lines'] ?? 0); $line++) {
        fwrite(STDERR, str_repeat('l', 999) . "\n");
    }
    echo "$event[out]\n";
    fwrite(STDERR, "$event[err]\n");
    return 'logged';
}

function invalid()
{
    return ['not a number' => NAN];
}

function whole_range()
{
    $stream = fopen('php://memory', 'w+');
    fwrite($stream, implode('', array_map('chr', range(0, 255))));
    rewind($stream);
    return $stream;
}

function stream($event)
{
    yield 'one';
    if (isset($event['fail'])) {
        throw new DomainException('half way');
    }
    yield 'two';
    yield 'three';
}

function web()
{
    yield ['statusCode' => 201, 'headers' => ['x-test' => 'yes']];
    yield 'made';
}
