/** Of files that are taken for videos; what they are is told by their content. */
export const VIDEO_ENDINGS = ['.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi'];
