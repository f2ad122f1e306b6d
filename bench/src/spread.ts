/** The places nearest to those wanted, in their order, that are at least `gap` apart. */
export function spread(wanted: readonly number[], gap: number): number[] {
  // Labels that would overlap become one cluster around the mean of where its members want to be.
  const order = wanted.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  const clusters: { first: number; members: typeof order }[] = [];
  for (const item of order) {
    let cluster = { first: item.place, members: [item] };
    for (let before = clusters.at(-1); before; before = clusters.at(-1)) {
      if (before.first + before.members.length * gap <= cluster.first) break;
      clusters.pop();
      const members = [...before.members, ...cluster.members];
      const first = members.reduce((sum, { place }, i) => sum + place - i * gap, 0) / members.length;
      cluster = { first, members };
    }
    clusters.push(cluster);
  }
  const places = [...wanted];
  for (const { first, members } of clusters) {
    members.forEach(({ index }, i) => {
      places[index] = first + i * gap;
    });
  }
  return places;
}
