sub handler { $_[0] }
1;
