import { crc32 } from '@node-rs/crc32';

export const handler = async (event) => ({ crc32: crc32(event.text), architecture: process.arch });
