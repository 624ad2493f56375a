import type { FastifyInstance } from "fastify";
import { createHash } from "node:crypto";
import {
    badRequest,
    failedPrecondition,
    hostUnreachable,
    invalidArgument,
    notFound,
    rfc3339,
} from "../errors.ts";
import type { Fly } from "../fly.ts";
import { snapshotId, volumeId } from "../ids.ts";
import { checkGuest } from "../model/guest.ts";
import { own } from "../model/own.ts";
import type { SnapshotRecord, VolumeRecord } from "../model/records.ts";
import { isRegion, NEAREST } from "../model/regions.ts";
import {
    bodyOf,
    optionalBoolean,
    optionalNumber,
    optionalString,
    requiredString,
} from "../model/validate.ts";
import { snapshotBody, volumeBody, volumesOf } from "../model/wire.ts";
import { boundTo } from "../runtime/attachments.ts";
import { changeApp, findVolume, readApp } from "./access.ts";

const DEFAULT_SIZE_GB = 3;
const MAX_SIZE_GB = 500;
const NAME = /^[a-z0-9_]{1,30}$/;

function checkSize(size: number): number {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE_GB) {
        throw invalidArgument(`invalid size_gb, must be between 1 and ${MAX_SIZE_GB}`);
    }
    return size;
}

function checkRetention(days: number): number {
    if (!Number.isInteger(days) || days < 1 || days > 60) {
        throw invalidArgument("invalid snapshot_retention, must be between 1 and 60");
    }
    return days;
}

export function volumeRoutes(app: FastifyInstance, fly: Fly): void {
    const { data } = fly.store;
    const path = "/apps/:app/volumes";

    const shown = async (volume: VolumeRecord) => {
        const holder = boundTo(data, volume);
        const seen = { ...volume };
        if (holder === undefined) delete seen.machine;
        const usage = volume.state === "created" ? await fly.volumes.usage(volume.id) : undefined;
        return volumeBody(seen, usage);
    };

    /** Finds the volume to fork, whose data is copied to the new one's host. */
    const forked = (id: string | undefined, app: string): VolumeRecord | undefined => {
        if (id === undefined) return undefined;
        const origin = own(data.volumes, id);
        if (origin?.app !== app || origin.state !== "created") throw notFound("source volume");
        if (origin.unreachable) throw hostUnreachable();
        return origin;
    };

    const fork = async (origin: VolumeRecord, volume: VolumeRecord): Promise<void> => {
        const copy = snapshotId();
        try {
            await fly.volumes.snapshot(origin.id, copy);
            await fly.volumes.create(volume.id, volume.sizeGb, copy);
        } finally {
            await fly.volumes.removeSnapshot(copy);
        }
    };

    /** Finds a volume to change, unless it is being destroyed. */
    const changing = (request: Parameters<typeof findVolume>[1]): VolumeRecord => {
        changeApp(fly, request);
        const volume = findVolume(data, request);
        if (volume.state !== "created") throw notFound("volume");
        if (volume.unreachable) throw hostUnreachable();
        return volume;
    };

    app.get(path, async (request) => {
        const found = readApp(request);
        return Promise.all(volumesOf(request.view, found.name).map(shown));
    });

    app.post(path, async (request) => {
        const found = changeApp(fly, request);
        const body = bodyOf(request.body);
        const name = requiredString(body, "name");
        if (!NAME.test(name)) {
            throw invalidArgument(
                "invalid name, only lowercase letters, numbers and underscores are allowed, at most 30",
            );
        }
        const origin = forked(optionalString(body, "source_volume_id"), found.name);
        const region = optionalString(body, "region") ?? origin?.region ?? NEAREST;
        if (!isRegion(region)) throw invalidArgument(`invalid region: ${region}`);
        const snapshot = optionalString(body, "snapshot_id");
        const source = snapshot === undefined ? undefined : own(data.snapshots, snapshot);
        // From any app: `fly postgres create --snapshot-id` creates an app from another app's snapshot.
        if (snapshot !== undefined && source === undefined) throw notFound("snapshot");
        if (body.compute !== undefined) checkGuest(bodyOf(body.compute));
        const id = volumeId();
        const least = origin?.sizeGb ?? Math.ceil((source?.volume_size ?? 0) / 1024 ** 3);
        const sizeGb = checkSize(optionalNumber(body, "size_gb") ?? (least || DEFAULT_SIZE_GB));
        if (sizeGb < least) throw invalidArgument(`size_gb is less than the snapshot's ${least}`);
        const volume: VolumeRecord = {
            id,
            app: found.name,
            name,
            state: "created",
            sizeGb,
            region,
            zone: createHash("sha256").update(id).digest("hex").slice(0, 4),
            encrypted: optionalBoolean(body, "encrypted") ?? true,
            fstype: optionalString(body, "fstype") ?? "ext4",
            snapshotRetention: checkRetention(optionalNumber(body, "snapshot_retention") ?? 5),
            autoBackup: optionalBoolean(body, "auto_backup_enabled") ?? true,
            createdAt: rfc3339(Date.now()),
        };
        if (origin === undefined) await fly.volumes.create(id, sizeGb, snapshot);
        else await fork(origin, volume);
        data.volumes[id] = volume;
        return volumeBody(volume);
    });

    app.get(`${path}/:volume`, async (request) => shown(findVolume(request.view, request)));

    app.put(`${path}/:volume`, async (request) => {
        const volume = changing(request);
        const body = bodyOf(request.body);
        const retention = optionalNumber(body, "snapshot_retention");
        if (retention !== undefined) volume.snapshotRetention = checkRetention(retention);
        volume.autoBackup = optionalBoolean(body, "auto_backup_enabled") ?? volume.autoBackup;
        return shown(volume);
    });

    app.put(`${path}/:volume/extend`, async (request) => {
        const volume = changing(request);
        const size = optionalNumber(bodyOf(request.body), "size_gb");
        if (size === undefined) throw badRequest("size_gb is required");
        if (checkSize(size) < volume.sizeGb) {
            throw invalidArgument("volume size can only be increased");
        }
        const restart = size > volume.sizeGb && (await fly.volumes.extend(volume.id, size));
        volume.sizeGb = size;
        return { volume: await shown(volume), needs_restart: restart };
    });

    // Soft delete: the record stays and reports a destroy state, as Fly's does for a day.
    app.delete(`${path}/:volume`, async (request) => {
        changeApp(fly, request);
        const volume = findVolume(data, request);
        if (volume.state !== "created") return volumeBody(volume);
        if (volume.unreachable) throw hostUnreachable();
        const holder = boundTo(data, volume);
        if (holder !== undefined) {
            throw failedPrecondition(`volume is currently bound to machine: ${holder}`);
        }
        volume.state = "pending_destroy";
        delete volume.machine;
        await fly.volumes.remove(volume.id);
        return volumeBody(volume);
    });

    app.get(`${path}/:volume/snapshots`, (request) => {
        const volume = findVolume(request.view, request);
        return Object.values(request.view.snapshots)
            .filter((one) => one.volume === volume.id)
            .map(snapshotBody);
    });

    app.post(`${path}/:volume/snapshots`, (request) => {
        const volume = changing(request);
        const busy = Object.values(data.snapshots).some(
            (one) => one.volume === volume.id && one.status !== "created",
        );
        if (busy) throw failedPrecondition("snapshot is already scheduled or running");
        const snapshot: SnapshotRecord = {
            id: snapshotId(),
            volume: volume.id,
            app: volume.app,
            size: 0,
            volume_size: volume.sizeGb * 1024 ** 3,
            digest: "",
            created_at: rfc3339(Date.now()),
            status: "running",
            retention_days: volume.snapshotRetention,
        };
        data.snapshots[snapshot.id] = snapshot;
        void fly.volumes.snapshot(volume.id, snapshot.id).then(
            (size) => {
                snapshot.size = size;
                snapshot.digest = createHash("sha256").update(snapshot.id).digest("hex");
                snapshot.status = "created";
                void fly.store.save();
            },
            (error: unknown) => {
                delete data.snapshots[snapshot.id];
                fly.journal.note(`snapshot of ${volume.id} failed: ${String(error)}`);
            },
        );
        return snapshotBody(snapshot);
    });
}
