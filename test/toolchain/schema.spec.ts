// core
/** Compares the replacements' schemas with the official ones, for what they implement. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./support/binaries.ts";
import { type Plugin, startProvider } from "./support/provider.ts";

const OFFICIAL = path.resolve(ROOT, "../shared/data");

interface Schema {
    name: string;
    version: string;
    resources: Record<string, unknown>;
    types?: Record<string, unknown>;
}

const IMPLEMENTED: Record<string, string[]> = {
    tls: [
        "tls:index/certRequest:CertRequest",
        "tls:index/locallySignedCert:LocallySignedCert",
        "tls:index/privateKey:PrivateKey",
        "tls:index/selfSignedCert:SelfSignedCert",
    ],
    docker: ["docker:index/image:Image"],
    command: ["command:local:Command"],
};

for (const [name, resources] of Object.entries(IMPLEMENTED)) {
    describe(`schema of the ${name} plugin`, () => {
        let plugin: Plugin;
        let schema: Schema;
        before(async () => {
            plugin = await startProvider(name);
            schema = (await plugin.schema()) as unknown as Schema;
        });
        after(() => plugin.stop());

        it("has the implemented resources, with the official version", () => {
            const manifest = readFileSync(
                path.join(ROOT, "node_modules", "@pulumi", name, "package.json"),
                "utf8",
            );
            const { version } = JSON.parse(manifest) as { version: string };
            assert.equal(schema.name, name);
            assert.equal(schema.version, version);
            assert.deepEqual(Object.keys(schema.resources).sort(), resources);
        });

        it("has the official properties, types, defaults, secrets and replacements", function () {
            const file = path.join(OFFICIAL, `pulumi-schema-${name}.json`);
            if (!existsSync(file)) {
                console.log(`      skipped: ${file} is absent`);
                this.skip();
            }
            const official = JSON.parse(readFileSync(file, "utf8")) as Schema;
            for (const resource of resources) {
                assert.deepEqual(schema.resources[resource], official.resources[resource]);
            }
            for (const [type, definition] of Object.entries(schema.types ?? {})) {
                assert.deepEqual(definition, official.types?.[type]);
            }
        });

        it("defines every type that it refers to", () => {
            const text = JSON.stringify(schema);
            for (const [, type] of text.matchAll(/"#\/types\/([^"]+)"/g)) {
                assert.ok(schema.types?.[type!], `${type} is not defined`);
            }
        });
    });
}
