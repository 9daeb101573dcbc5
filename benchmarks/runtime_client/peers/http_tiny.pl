# A Runtime API client of Perl's own parts: HTTP::Tiny, which keeps its connection.
use strict;
use warnings;
use HTTP::Tiny;

require $ARGV[0];
my $http = HTTP::Tiny->new(keep_alive => 1, timeout => 86_400);
my ($codec) = grep { eval "require $_" } qw(Cpanel::JSON::XS JSON::PP);
my $json = $codec->new->utf8->allow_nonref;
my $root = "http://$ENV{AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation";
for (;;) {
    my $event = $http->get("$root/next");
    my $id = $event->{headers}{'lambda-runtime-aws-request-id'};
    my $answer = $json->encode(main::handler($json->decode($event->{content})));
    $http->post("$root/$id/response", {content => $answer});
}
