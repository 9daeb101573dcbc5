use strict;
print STDERR "exits at load\n";
exit 3;
sub same { $_[0] }
