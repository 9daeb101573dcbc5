<?php
// The event as an array, and the context; what is returned is the answer.
return function (array $event) {
    return ['message' => getenv('GREETING') . ', ' . $event['name'] . '!'];
};
