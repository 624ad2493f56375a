// core
/**
 * Imports resources that somebody else created: nothing is created, and what cannot become as declared is
 * refused.
 */
import assert from "node:assert/strict";
import { App, IpAddress, Machine, Volume } from "../../providers/entry.ts";
import type { AppInputs } from "../../providers/fly/app/inputs.ts";
import { ownerMetadata } from "../../providers/fly/ownership.ts";
import { failureOf, outsOf, OWNER } from "./support/flyFixture.ts";
import { MachineFixture } from "./support/machineFixture.ts";

/** An app as flyctl creates it: addresses, a secret, a volume, and a machine without our metadata. */
describe("import", function () {
    this.timeout(60_000);
    const on = new MachineFixture();
    let volume: string;
    let machine: string;
    let ips: string[];

    beforeEach(async () => {
        const { api } = on;
        ips = [];
        for (let at = 0; at < 2; at++) {
            const body = { type: "v6" };
            ips.push(
                (await api.ok<{ ip: string }>("POST", `/apps/${on.app}/ip_assignments`, body)).ip,
            );
        }
        await api.ok("POST", `/apps/${on.app}/secrets`, { values: { THEIRS: "kept" } });
        const data = { name: "mosquitto_data", region: "lhr", size_gb: 2 };
        volume = (await api.ok<{ id: string }>("POST", `/apps/${on.app}/volumes`, data)).id;
        const config = { image: on.image, mounts: [{ volume, path: "/data" }] };
        machine = (await api.start(on.app, config, { name: "wispy-moon-1", region: "lhr" })).id;
    });

    const appInputs = (): AppInputs => ({
        endpoint: on.endpoint,
        name: on.app,
        organization: "personal",
        owner: OWNER,
    });
    const volumeInputs = () => ({
        ...on.place,
        name: "mosquitto_data",
        region: "lhr",
        sizeGb: 2,
        owner: OWNER,
    });
    const machineInputs = () => {
        const base = on.inputs({ name: "wispy-moon-1" });
        return { ...base, config: { ...base.config, mounts: [{ volume, path: "/data" }] } };
    };

    it("adopts app, address, volume and machine, and creates none", async () => {
        await on.api.shell(on.app, machine, "echo theirs > /data/file");
        const madeApp = await App.create({ ...appInputs(), importId: on.app });
        const address = await IpAddress.create({ ...on.place, type: "v6", importId: ips[1]! });
        const madeVolume = await Volume.create({ ...volumeInputs(), importId: volume });
        const wanted = { ...machineInputs(), importId: machine };
        const made = await Machine.create(wanted);
        assert.deepEqual(
            [madeApp.id, address.id, madeVolume.id, made.id],
            [on.app, ips[1], volume, machine],
        );
        const seen = await on.api.machine(on.app, machine);
        assert.equal(seen.state, "started");
        assert.equal(seen.config.metadata?.pulumi_stack, OWNER.stack);
        assert.equal(await on.api.shell(on.app, machine, "cat /data/file"), "theirs");
        // With the setting repeated or removed, and a refresh: nothing to do.
        const read = await Machine.read(made.id, outsOf(made));
        for (const news of [wanted, machineInputs()]) {
            assert.equal((await Machine.diff(made.id, read.props!, news)).changes, false);
        }
    });

    it("is the way out that the refusal of others' resources prints, as a command", async () => {
        const command = (kind: string, id: string) =>
            `\`pulumi config set --stack dev --path 'appkata-mqtt:import.${kind}' ${id}\``;
        const refusals = await Promise.all([
            failureOf(App.create(appInputs())),
            failureOf(Machine.create(machineInputs())),
        ]);
        const messages = refusals.map(({ message }) => message);
        assert.ok(messages[0]!.includes(command("app", on.app)), messages[0]);
        assert.ok(messages[1]!.includes(command("machine", machine)), messages[1]);
    });

    it("refuses what does not exist", async () => {
        const gone = [
            App.create({ ...appInputs(), name: "nowhere", importId: "nowhere" }),
            IpAddress.create({ ...on.place, type: "v6", importId: "2a09::1" }),
            Volume.create({ ...volumeInputs(), importId: "vol_none" }),
            Machine.create({ ...machineInputs(), importId: "0123456789abcd" }),
        ];
        for (const error of await Promise.all(gone.map(failureOf))) {
            assert.match(error.message, /^Cannot import .*\n {2}If an earlier run/);
        }
    });

    it("refuses what cannot be updated to its inputs, with all differences", async () => {
        const otherVolume = { ...volumeInputs(), name: "data", region: "ams", sizeGb: 1 };
        const volumeError = await failureOf(Volume.create({ ...otherVolume, importId: volume }));
        assert.match(
            volumeError.message,
            /its name is "mosquitto_data", not "data"; .*region lhr, not ams; it has 2 GB, not 1/,
        );
        const plain = on.inputs({ region: "ams" });
        const machineError = await failureOf(Machine.create({ ...plain, importId: machine }));
        assert.match(
            machineError.message,
            /its name is "wispy-moon-1", not "mosquitto"; .*not ams; it has vol_\w+, not no volume/,
        );
        const state = await on.api.machine(on.app, machine);
        assert.notDeepEqual(state.config.metadata, ownerMetadata(OWNER));
    });

    it("must be removed before a change that replaces the imported resource", async () => {
        const volumeOld = { ...volumeInputs(), importId: volume };
        const volumeNew = { ...volumeOld, region: "ams", onReplace: "restore" as const };
        const machineOld = { ...machineInputs(), importId: machine };
        const checked = await Promise.all([
            Volume.check(volumeOld, volumeNew),
            Machine.check(machineOld, { ...machineOld, name: "other" }),
            Machine.check(machineOld, { ...machineOld, secretsVersion: 4 }),
        ]);
        assert.deepEqual(
            checked.map(({ failures }) => (failures ?? []).map(({ property }) => property)),
            [["importId"], ["importId"], []],
        );
    });

    it("of an app with another name than declared is refused before any request", async () => {
        const { failures } = await App.check({} as AppInputs, {
            ...appInputs(),
            importId: "other",
        });
        assert.match(
            failures?.[0]?.reason ?? "",
            /"other" cannot be imported, since the app's name is/,
        );
    });
});
