import { writeSync } from 'node:fs';

writeSync(2, 'exits at load\n');
process.exit(3);
export const same = (event: unknown): unknown => event;
