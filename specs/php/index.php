<?php
require __DIR__ . '/vendor/autoload.php';

use Composer\Semver\Semver;

// The event as an array, and the context; what is returned is the answer.
function handle(array $event): array
{
    return ['fits' => Semver::satisfies($event['version'], $event['wanted'])];
}
