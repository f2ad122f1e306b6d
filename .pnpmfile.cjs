// nsfwjs asks for one version of Node.js alone, for its own build; what it publishes runs on any. Without this, every install warns.
module.exports = {
  hooks: {
    readPackage(manifest) {
      if (manifest.name === 'nsfwjs') delete manifest.engines;
      return manifest;
    },
  },
};
