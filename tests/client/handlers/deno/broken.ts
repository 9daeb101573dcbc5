throw new TypeError('broken at load');
export const same = (event: unknown): unknown => event;
