"""RPM packages, their repositories and bases with an RPM database, made on the spot.

Written after rpm's own documentation without imagekit's code and without rpm's tools, so that a fault in either cannot
hide in them.
"""
