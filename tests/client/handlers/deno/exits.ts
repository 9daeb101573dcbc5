console.error('exits at load');
Deno.exit(3);
export const same = (event: unknown): unknown => event;
