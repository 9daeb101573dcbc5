# Answers Lambda's events with a Perl handler, over frames v1 (docs/frames.md).
#
# _HANDLER is "file.function". The function gets the event, decoded, and a context object with methods: aws_request_id,
# get_remaining_time_in_millis and so on. What it returns is sent as JSON; but a reference to a text (\$bytes) is sent
# byte for byte, and a code reference is streamed: it is called for pieces until it returns undef, the first one may be
# a hash, {statusCode => ..., headers => ...}, for HTTP. JSON is Cpanel::JSON::XS or JSON::XS where the image has one,
# many times as fast as JSON::PP, which comes with Perl. after_restore() is called after a SnapStart restore.
use strict;
use warnings;

sub Imagekit::Worker::load { do $_[0] }    # in the package main

package Imagekit::Context;
our $AUTOLOAD;
sub DESTROY { }
sub AUTOLOAD { my $name = $AUTOLOAD =~ s/.*:://r; exists $_[0]{$name} ? $_[0]{$name} : die "a context has no $name" }
sub TO_JSON { +{%{$_[0]}} }
sub get_remaining_time_in_millis {
    local $SIG{__DIE__};
    my $left = $_[0]{deadline_ms} - 1000 * (eval { require Time::HiRes; Time::HiRes::time() } // time);
    return $left > 0 ? int $left : 0;
}

package Imagekit::Worker;
my $root = $ENV{LAMBDA_TASK_ROOT} // '.';
unshift @INC, $root, "$root/lib", "$root/local/lib/perl5";
my ($process, $in, $out, $json, @stack) = $$;
my %environment = map { $_->[0] => $ENV{"AWS_LAMBDA_$_->[1]"} } (
    [function_name => 'FUNCTION_NAME'], [function_version => 'FUNCTION_VERSION'],
    [memory_limit_in_mb => 'FUNCTION_MEMORY_SIZE'],
    [log_group_name => 'LOG_GROUP_NAME'], [log_stream_name => 'LOG_STREAM_NAME'],
);

sub answer {
    my ($frame, $body, @fields) = @_;
    exit 0 if $$ != $process;    # a child that a handler has forked: the event is its parent's
    utf8::encode($body) unless utf8::downgrade($body, 1);
    my ($bytes, $sent) = (join(' ', $frame, length $body, @fields) . "\n$body", 0);
    $sent += syswrite($out, $bytes, length($bytes) - $sent, $sent) // exit 1 while $sent < length $bytes;
}

# What Lambda has a name for.
sub fault { die bless {type => $_[0], message => $_[1]}, 'Imagekit::Fault' }

# Writes a text to stderr, whatever the handler has made of it.
sub note {
    my ($text) = @_;
    local ($,, $\);
    no warnings;
    utf8::encode($text) unless grep { $_ eq 'utf8' } PerlIO::get_layers(*STDERR);
    eval { print STDERR $text };
}

sub fail {
    my ($frame, $error, @fields) = @_;
    local $SIG{__DIE__};
    local $/ = "\n";
    my $named = ref $error eq 'Imagekit::Fault';
    my $type = $named ? $error->{type} : ref $error || 'Error';
    my $text = $named ? $error->{message} : ref $error && eval { '' . $error->message } || eval { "$error" };
    $text //= '(its message cannot be shown)';
    chomp $text;
    utf8::decode($text);
    my @calls = $named ? () : @stack;
    note(join("\n    ", "$type: $text", @calls) . "\n");
    my $body = $json->encode({errorType => $type, errorMessage => $text, stackTrace => \@calls});
    my $counted = $named ? $type : 'Function.' . $type =~ s/.*:://r;
    answer($frame, $body, @fields, $counted =~ /^\w+\.[A-Z][A-Za-z]*$/ ? $counted : '-');
}

# How Perl's messages begin when it does not take a file for a program.
my $UNCOMPILED = qr/^(?:syntax error|Global symbol|Bareword|Missing right|Unmatched|Unrecognized|Can't find)/m;

sub handler {
    my $name = $ENV{_HANDLER} // '';
    my ($path, $function) = $name =~ /^(.+)\.([^.\/]+)$/
        or fault('Runtime.MalformedHandlerName', "the handler '$name' is not of the form file.function");
    my ($file) = grep { -f -r } "$root/$path.pl", "$root/$path.pm"
        or fault('Runtime.ImportModuleError', "there is no readable handler file $root/$path.pl");
    if (!defined load($file) and $@) {
        fault('Runtime.ImportModuleError',   $@) if $@ =~ /^Can't locate \S+ in \@INC/;
        fault('Runtime.UserCodeSyntaxError', $@) if $@ =~ $UNCOMPILED;
        die $@;
    }
    defined &{"main::$function"} or fault('Runtime.HandlerNotFound', "$file has no function $function");
    return \&{"main::$function"};
}

sub stream {
    my ($id, $next) = @_;
    my $piece = $next->();    # an error up to here is an ordinary one
    my $type = ref $piece ? 'vnd.awslambda.http-integration-response' : 'octet-stream';
    answer('STREAM', '', $id, "application/$type");
    eval {
        for (; defined $piece; $piece = $next->()) {
            answer('DATA', ref $piece ? json(MarshalError => encode => $piece) . "\0" x 8 : $piece, $id);
        }
        answer('END', '', $id);
        1;
    } or fail('FAIL', $@, $id);
}

sub json {
    my ($type, $call, $value) = @_;
    my $made = eval { [$json->$call($value)] } or fault("Runtime.$type", "$call: " . $@ =~ s/ at \S+ line \d+\.\n//r);
    # RFC 8259, section 6, has no infinity and no NaN; codecs write them without quotes.
    fault("Runtime.$type", "$call: JSON has no infinity and no NaN")
        if $call eq 'encode' && $made->[0] =~ /(?:^|[\[:,])-?(?:inf|nan)/i
        && $made->[0] =~ s/\\.//gr =~ s/"[^"]*"//gr =~ /inf|nan/i;
    return $made->[0];
}

sub invoke {
    my ($handler, $body, $id, @fields) = @_;
    my ($name, $deadline, $arn, $trace, $tenant, $identity, $client) =
        map { $_ eq '-' ? undef : s/%(..)/chr hex $1/egr } $id, @fields;
    defined && utf8::decode($_) for $arn, $tenant;
    defined $trace ? $ENV{_X_AMZN_TRACE_ID} = $trace : delete $ENV{_X_AMZN_TRACE_ID};
    my $event = length $body ? json(UnmarshalError => decode => $body) : undef;
    my $answer = $handler->($event, bless {
        aws_request_id => $name, deadline_ms => $deadline + 0, invoked_function_arn => $arn, trace_id => $trace,
        tenant_id => $tenant, identity => $identity && $json->decode($identity),
        client_context => $client && $json->decode($client), %environment,
    }, 'Imagekit::Context');
    ref $answer eq 'CODE' ? stream($id, $answer)
        : ref $answer eq 'SCALAR' ? answer('OK', $$answer, $id, 'application/octet-stream')
        : answer('OK', json(MarshalError => encode => $answer), $id);
}

$SIG{__DIE__} = sub {    # where an error came from, down to the worker's own calls
    @stack = ();
    for (my $depth = 0; my (undef, $file, $line) = caller $depth; $depth++) {
        last if $file eq __FILE__ or @stack == 100;
        push @stack, ((caller $depth + 1)[3] // 'main') . " at $file line $line";
    }
};
$| = 1;    # logs are written before the environment is frozen
my @fds = split /,/, $ENV{IMAGEKIT_FDS};
open $in, '<&=', $fds[0] and open $out, '>&=', $fds[1] or die "descriptors @fds: $!\n";    # Perl sets close-on-exec
for my $codec (qw(Cpanel::JSON::XS JSON::XS JSON::PP)) {    # the last one comes with Perl
    last if $json = eval "require $codec" && $codec->new->utf8->allow_nonref->convert_blessed;
}
$json->stringify_infnan(2) if $json->can('stringify_infnan');    # else null
my $handler = eval { handler() } or fail('INITERR', $@), exit 1;
answer('READY', '');
sub header {
    local $/ = "\n";
    my $line = readline $in;
    chomp $line if defined $line;
    return $line;
}
while (defined(my $line = header())) {
    $. = 0;    # messages of errors shall not end in "<$in> line 1"
    my ($type, $length, @fields) = split / /, $line;
    my $body = '';
    last if $length && read($in, $body, $length) != $length;
    if ($type eq 'INVOKE') {
        eval { invoke($handler, $body, @fields); 1 } or fail('ERR', $@, $fields[0]);
    } elsif ($type eq 'RESTORE') {
        srand;    # restored copies of one snapshot must not draw the same numbers
        eval { main->can('after_restore') and main::after_restore(); 1 } ? answer('READY', '') : fail('INITERR', $@);
    }
}
