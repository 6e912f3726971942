// A SCIM server of SCIMMY and its express router, with resources in memory: `node scimmy.mjs PORT TOKEN`.
import { randomUUID } from "node:crypto";

import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const [port, token] = process.argv.slice(2);

/** Declares a type of resource that lives in a map. */
function keep(type, unique) {
  const all = new Map();
  SCIMMY.Resources.declare(type)
    .ingress((resource, data) => {
      const known = resource.id && all.get(resource.id);
      if (resource.id && !known) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
      if (!known && unique.has(data[unique.name])) throw new SCIMMY.Types.Error(409, "uniqueness", "The name is taken");
      const id = resource.id ?? randomUUID();
      const now = new Date();
      const meta = { created: known?.meta.created ?? now, lastModified: now };
      if (known) unique.delete(known[unique.name]);
      unique.add(data[unique.name]);
      const kept = { ...JSON.parse(JSON.stringify(data)), id, meta };
      all.set(id, kept);
      return kept;
    })
    .egress((resource) => {
      if (!resource.id) {
        const list = [...all.values()];
        return resource.filter ? resource.filter.match(list) : list;
      }
      const found = all.get(resource.id);
      if (!found) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
      return found;
    })
    .degress((resource) => {
      if (!all.delete(resource.id)) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
    });
}

/** The values of an attribute that are taken. */
class Taken extends Set {
  constructor(name) {
    super();
    this.name = name;
  }
}

keep(SCIMMY.Resources.User, new Taken("userName"));
keep(SCIMMY.Resources.Group, new Taken("displayName"));

const app = express();
app.use(
  "/scim/v2",
  new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
      if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("The token is missing or wrong");
      return "client";
    },
  }),
);
app.listen(Number(port), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${port}`));
