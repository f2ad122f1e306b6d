/** Hours, minutes and seconds of a duration, such as 0:07, 12:40 or 1:02:03; '?' of NaN and infinity. */
export function formatClock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  return `${hours > 0 ? `${hours}:${twoDigits(minutes)}` : minutes}:${twoDigits(whole % 60)}`;
}
