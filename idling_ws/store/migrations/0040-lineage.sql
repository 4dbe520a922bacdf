-- Where the log was written, so that one that was restored is known by itself (idling_ws/store/lineage.py).

ALTER TABLE log_epoch
    ADD COLUMN lineage text,
    ADD COLUMN written_by bigint;
