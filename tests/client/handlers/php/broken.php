<?php

function same($event)
{
    return $event;
}

throw new DomainException("broken at load");
