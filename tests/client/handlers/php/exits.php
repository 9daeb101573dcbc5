<?php

function same($event)
{
    return $event;
}

fwrite(STDERR, "exits at load\n");
exit(3);
