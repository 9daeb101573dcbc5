'use strict';
require('fs').writeSync(2, 'exits at load\n');
process.exit(3);
