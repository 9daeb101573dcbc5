use strict;
die "broken at load\n";
sub same { $_[0] }
1;
