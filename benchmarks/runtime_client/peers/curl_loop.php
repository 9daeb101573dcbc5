<?php
// A Runtime API client of PHP's own parts: one curl handle for each direction, kept open.
$handler = require $argv[1];
$root = 'http://' . getenv('AWS_LAMBDA_RUNTIME_API') . '/2018-06-01/runtime/invocation';
$next = curl_init("$root/next");
$post = curl_init();
$id = '';
curl_setopt_array($next, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_HEADERFUNCTION => function ($handle, $line) use (&$id) {
        if (stripos($line, 'lambda-runtime-aws-request-id:') === 0) {
            $id = trim(substr($line, 30));
        }
        return strlen($line);
    },
]);
for (;;) {
    $event = json_decode(curl_exec($next), true);
    $answer = json_encode($handler($event), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
    curl_setopt_array($post, [
        CURLOPT_URL => "$root/$id/response",
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_POSTFIELDS => $answer,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Expect:'],
    ]);
    curl_exec($post);
}
