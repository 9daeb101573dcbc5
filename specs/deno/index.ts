export const handler = (event: { name?: string }) => {
  if (!event.name) throw new TypeError("the event has no name");
  return { message: `${Deno.env.get("GREETING")}, ${event.name}!` };
};
