CREATE TABLE towns (
    town_id INTEGER PRIMARY KEY,
    name VARCHAR(40) NOT NULL,
    "founded on" DATE,
    seen_at DATETIME,
    opens TIME,
    population INT,
    area DECIMAL(8, 2),
    share REAL,
    is_port BOOLEAN,
    mail TEXT,
    site TEXT,
    motto TEXT,
    story TEXT,
    notes TEXT,
    untyped,
    odd_type VARCHAR2(20)
);
CREATE TABLE roads (
    from_town INTEGER NOT NULL,
    to_town INTEGER NOT NULL,
    code CHAR(3),
    PRIMARY KEY (from_town, to_town),
    FOREIGN KEY (from_town) REFERENCES towns (town_id),
    FOREIGN KEY (to_town) REFERENCES towns (town_id)
);
CREATE TABLE closures (
    closure_id INTEGER PRIMARY KEY,
    from_town INTEGER,
    to_town INTEGER,
    since DATE,
    FOREIGN KEY (from_town, to_town) REFERENCES roads (from_town, to_town)
);
CREATE TABLE Empty (a INTEGER, b TEXT);
INSERT INTO towns VALUES
    (1, '', '1300-05-01', '2020-01-02 03:04:05', '08:30:00', 1200, 12.5, 0.25, 1, 'hall@example.com', 'https://a.example', 'Ever onward and not back', 'x', NULL, 7, 'b'),
    (2, 'Lindau', '1301-05-01', '2020-01-02 03:04:06', '09:00:00', 34000, 3, 1e20, 0, 'Tel. 5', NULL, 'Short', 'A story that is far too long to be shown to a model at all', '', 'x', 'a'),
    (3, '林道 (旧)', NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, 'b'),
    (4, ' Au', NULL, NULL, NULL, 5, 0.1, 2, 1, NULL, NULL, NULL, NULL, NULL, 2.5, 'c'),
    (5, 'Egg;"5', NULL, NULL, NULL, 6, 0.1, 2, 1, NULL, NULL, NULL, NULL, NULL, NULL, 'd'),
    (6, 'Weiler', NULL, NULL, NULL, 7, 0.1, 2, 1, NULL, NULL, NULL, NULL, NULL, NULL, 'e');
INSERT INTO roads VALUES (2, 1, 'B31'), (1, 2, 'A96'), (1, 3, 'B31'), (4, 1, NULL), (3, 1, 'L1'), (5, 6, 'L2');
INSERT INTO closures VALUES (1, 2, 1, '2024-02-03'), (2, 1, 3, '2023-02-03');
