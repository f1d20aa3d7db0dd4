-- The schema of the sample database, an online shop, in SQLite's dialect. The comments at the ends of lines are column
-- comments: SQLite keeps them with the table, and they reach the schema text that a model reads. Chinese is kept to the
-- columns that most need it, because it costs small English models about three tokens a character.

CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    city TEXT NOT NULL,
    country TEXT NOT NULL,
    level TEXT NOT NULL, -- G = gold, S = silver, B = basic / G 金，S 银，B 普通
    joined_on DATE NOT NULL
);

CREATE TABLE employees (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    salary INTEGER NOT NULL, -- dollars a month
    manager_id INTEGER REFERENCES employees (id)
);

CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    price INTEGER NOT NULL, -- in cents / 标价，分
    stock INTEGER NOT NULL,
    discontinued INTEGER NOT NULL -- 0 = on sale, 1 = no longer sold / 0 在售，1 停售
);

CREATE TABLE suppliers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL
);

CREATE TABLE supplies (
    product_id INTEGER NOT NULL REFERENCES products (id),
    supplier_id INTEGER NOT NULL REFERENCES suppliers (id),
    cost INTEGER NOT NULL, -- in cents
    PRIMARY KEY (product_id, supplier_id)
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    employee_id INTEGER REFERENCES employees (id), -- who handled it
    ordered_on DATE NOT NULL,
    status TEXT NOT NULL -- N = new, P = paid, S = shipped, C = cancelled / N 新，P 已付，S 已发货，C 取消
);

CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL,
    unit_price INTEGER NOT NULL, -- in cents
    PRIMARY KEY (order_id, product_id)
);

CREATE TABLE reviews (
    product_id INTEGER NOT NULL REFERENCES products (id),
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    stars INTEGER NOT NULL, -- 1 to 5
    written_on DATE NOT NULL,
    PRIMARY KEY (product_id, customer_id)
);
