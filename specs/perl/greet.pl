use strict;
use warnings;

# The event as Perl's values, and the context; what is returned is the answer.
sub handle {
    my ($event, $context) = @_;
    my $name = $event->{name} // die "the event has no name\n";
    return { message => "$ENV{GREETING}, $name!" };
}
1;
