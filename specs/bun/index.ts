export const handler = (event: { name?: string }) => {
  if (!event.name) throw new TypeError("the event has no name");
  return { message: `${Bun.env.GREETING}, ${event.name}!` };
};
