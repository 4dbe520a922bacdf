-- Which sign-in a browser subscribed under: what ends there is not pushed there any more.

ALTER TABLE push_subscriptions ADD COLUMN login_id text;
