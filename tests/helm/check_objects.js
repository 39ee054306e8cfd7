// Checks Kubernetes objects: a JSON array on stdin, a line for each fault on stdout.
// Usage: node check_objects.js FOLDER      FOLDER holds node_modules
"use strict";
const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");

const load = createRequire(path.join(path.resolve(process.argv[2]), "node_modules", "x.js"));
const PACKAGES = {
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/",
};

// The validators are compiled code that reads each field it knows and passes over the others: a
// field that nobody read is one that Kubernetes does not know.
function watched(value, place, unread) {
  if (value === null || typeof value !== "object") return value;
  const known = new Map();
  for (const key of Object.keys(value)) {
    const here = `${place}${Array.isArray(value) ? `[${key}]` : `.${key}`}`;
    known.set(key, watched(value[key], here, unread));
    unread.set(here, true);
  }
  return new Proxy(value, {
    get(target, key) {
      if (!known.has(key)) return target[key];
      unread.delete(`${place}${Array.isArray(target) ? `[${key}]` : `.${key}`}`);
      return known.get(key);
    },
  });
}

// The compiled validator that the model of this kind uses.
function validatorOf(object) {
  const folder = PACKAGES[object.apiVersion] || `kubernetes-models/${object.apiVersion}/`;
  const file = load.resolve(folder + object.kind);
  const schema = /require\("([^"]*_schemas\/[^"]+)"\)/.exec(fs.readFileSync(file, "utf8"))[1];
  return load(path.resolve(path.dirname(file), schema)).validate;
}

function faults(object) {
  const unread = new Map();
  let validate;
  try {
    validate = validatorOf(object);
  } catch (error) {
    return [`no such kind: ${object.apiVersion} ${object.kind}`];
  }
  validate(watched(object, "", unread));
  return [
    ...(validate.errors || []).map((e) => `${e.instancePath} ${e.keyword} ${JSON.stringify(e.params)}`),
    ...[...unread.keys()].map((place) => `${place} is not known`),
  ];
}

const objects = JSON.parse(fs.readFileSync(0, "utf8"));
for (const object of objects)
  for (const fault of faults(object)) console.log(`${object.kind}: ${fault}`);
