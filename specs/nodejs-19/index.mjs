export const handler = async (event, context) => {
  console.log(`request ${context.awsRequestId} on Node.js ${process.version}`)
  return { message: `${process.env.GREETING}, ${event.name}!` }
}
