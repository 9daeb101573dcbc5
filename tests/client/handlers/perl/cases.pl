use strict;
use warnings;

sub same { $_[0] }

sub context {
    my ($event, $context) = @_;
    return {
        id             => $context->aws_request_id,
        arn            => $context->invoked_function_arn,
        trace          => $ENV{_X_AMZN_TRACE_ID},
        tenant         => $context->tenant_id,
        client_context => $context->client_context,
        cognito        => $context->identity,
        function       => $context->function_name,
        version        => $context->function_version,
        memory         => $context->memory_limit_in_mb,
        remaining      => $context->get_remaining_time_in_millis,
    };
}

sub fail {
    my ($event) = @_;
    die "$event->{message}\n" if exists $event->{message};
    return 'fine';
}

sub leave {
    my ($event) = @_;
    return 'here' unless exists $event->{code};
    print STDERR "leaving on purpose\n";
    exit $event->{code};
}

sub killed {
    my ($event) = @_;
    kill 'KILL', $$ and sleep 60 if exists $event->{kill};
    return 'alive';
}

sub forks {
    my ($event) = @_;
    return 'here' unless exists $event->{code};
    my $child = fork // die "fork: $!";
    if (!$child) { exec 'sleep', '60' }
    exit $event->{code};
}

sub splits {
    my $child = fork // die "fork: $!";
    return 'child' if !$child;
    select undef, undef, undef, 0.1;
    return 'parent';
}

sub hang {
    my ($event) = @_;
    sleep 600 if exists $event->{hang};
    return 'quick';
}

sub big { 'x' x $_[0]{size} }

sub logs {
    my ($event) = @_;
    utf8::encode($_) for @$event{qw(out err)};
    print STDERR 'l' x 999 . "\n" for 1 .. $event->{lines} // 0;
    print "$event->{out}\n";
    print STDERR "$event->{err}\n";
    return 'logged';
}

sub invalid {
    return { code => sub { 1 } };
}

sub whole_range { \join '', map { chr } 0 .. 255 }

sub stream {
    my ($event) = @_;
    my @pieces = qw(one two three);
    return sub {
        die "half way\n" if exists $event->{fail} && @pieces == 2;
        return shift @pieces;
    };
}

sub web {
    my @pieces = ({ statusCode => 201, headers => { 'x-test' => 'yes' } }, 'made');
    return sub { shift @pieces };
}

1;
