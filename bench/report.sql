-- A piece of one month of an invented company's cost and usage report, as CUR 2.0 Parquet has it: doubles for costs and
-- quantities, maps for product, tags and cost categories. Nothing is random. :first, :rows, :all and :file are put in by
-- bench/run.
--
-- Of a hundred lines 70 are usage, 10 usage that a Savings Plan covers, 10 its negations, 6 usage that a reservation covers, and 4 fees.
-- Resources, prices and tags are as many as in the FOCUS bill (generate.sql); nearly every line has a text of its own (its id).

CREATE OR REPLACE MACRO share(row, salt) AS (hash(row * 64 + salt) >> 11) / 9007199254740992.0;
CREATE OR REPLACE MACRO pick(row, salt, many) AS floor(share(row, salt) * many)::BIGINT;
CREATE OR REPLACE MACRO cost(number) AS round(number, 10);

COPY (
  WITH numbered AS (
    -- Usage that a Savings Plan covers, and the line behind it that negates it, are of one number.
    SELECT number, CASE WHEN kind BETWEEN 70 AND 89 THEN twin ELSE number END AS charge, charge <> number AS negates
    FROM (SELECT number, number - number % 2 AS twin, floor(100 * share(twin, 3)) AS kind FROM range(:first, :first + :rows) numbers(number))
  ), charge AS (
    SELECT
      *,
      floor(2000 * share(charge, 1) ** 2)::BIGINT AS workload,
      floor(50 * share(charge, 2) ** 3)::BIGINT AS place,
      floor(100 * share(charge, 3))::BIGINT AS kind,
      round(24 * share(charge, 4), 4) AS quantity,
      TIMESTAMP '2026-10-01' + INTERVAL 1 MINUTE * (charge * 744 // :all * 60) AS starts
    FROM numbered
  ), line AS (
    SELECT
      *,
      pick(workload, 11, 300) AS service,
      pick(workload, 12, 200) AS account,
      pick(workload, 13, 12) AS region,
      pick(workload, 14, 50) AS team,
      round(0.0001 + share(workload, 16) ** 6 * 12, 6) AS price,
      hash(workload * 50 + place) % 1000000007 AS resource,
      CASE WHEN kind < 70 OR kind < 90 AND charge % 2 = 1 THEN 'Usage' WHEN negates THEN 'SavingsPlanNegation'
        WHEN kind < 90 THEN 'SavingsPlanCoveredUsage'
        WHEN kind < 96 THEN 'DiscountedUsage' WHEN kind < 98 THEN 'RIFee' ELSE 'SavingsPlanRecurringFee' END AS type
    FROM charge
  )
  SELECT
    sha256(number::VARCHAR) AS identity_line_item_id,
    printf('EUINDE26-%d', account % 3) AS bill_invoice_id,
    'Amazon Web Services EMEA SARL' AS bill_invoicing_entity,
    'AWS' AS bill_billing_entity,
    'Anniversary' AS bill_bill_type,
    '100200300400' AS bill_payer_account_id,
    TIMESTAMP '2026-10-01' AS bill_billing_period_start_date,
    TIMESTAMP '2026-11-01' AS bill_billing_period_end_date,
    printf('%012d', account) AS line_item_usage_account_id,
    printf('account %d', account) AS line_item_usage_account_name,
    type AS line_item_line_item_type,
    starts AS line_item_usage_start_date,
    starts + INTERVAL 1 HOUR AS line_item_usage_end_date,
    'USD' AS line_item_currency_code,
    cost(price * quantity) * CASE WHEN negates THEN -1 ELSE 1 END AS line_item_unblended_cost,
    cost(price * quantity * 0.95) * CASE WHEN negates THEN -1 ELSE 1 END AS line_item_net_unblended_cost,
    'Amazon Web Services EMEA SARL' AS line_item_legal_entity,
    printf('$%s per hour of service %d in region %d', price::VARCHAR, service, region) AS line_item_line_item_description,
    printf('AmazonService%d', service) AS line_item_product_code,
    printf('RunInstances:%04d', service % 17) AS line_item_operation,
    printf('region-%d', region) AS product_region_code,
    printf('SKU%06d', service * 7 + region) AS product_sku,
    'm5.large' AS product_instance_type,
    'Hrs' AS pricing_unit,
    printf('SKU%06d.JRTCKXETXF.6YS6EN2CT7', service * 7 + region) AS pricing_rate_code,
    printf('BoxUsage:%d', service % 40) AS line_item_usage_type,
    quantity AS line_item_usage_amount,
    price AS line_item_unblended_rate,
    price AS line_item_net_unblended_rate,
    price AS pricing_public_on_demand_rate,
    cost(price * quantity) AS pricing_public_on_demand_cost,
    CASE type WHEN 'DiscountedUsage' THEN 'Reserved' WHEN 'Usage' THEN 'OnDemand' END AS pricing_term,
    printf('arn:aws:ec2:region-%d:%012d:instance/i-%09d', region, account, resource) AS line_item_resource_id,
    printf('region-%da', region) AS line_item_availability_zone,
    quantity * 4 AS line_item_normalized_usage_amount,
    CASE WHEN type IN ('DiscountedUsage', 'RIFee') THEN printf('arn:aws:ec2:eu-central-1:100200300400:reserved-instances/%d', service) END
      AS reservation_reservation_a_r_n,
    CASE type WHEN 'DiscountedUsage' THEN cost(price * quantity * 0.6) END AS reservation_effective_cost,
    CASE type WHEN 'RIFee' THEN '744' END AS reservation_total_reserved_units,
    CASE type WHEN 'RIFee' THEN 1.5 END AS reservation_unused_quantity,
    CASE type WHEN 'RIFee' THEN 0.25 END AS reservation_unused_amortized_upfront_fee_for_billing_period,
    CASE type WHEN 'RIFee' THEN 0.125 END AS reservation_unused_recurring_fee,
    CASE WHEN type LIKE 'SavingsPlan%' THEN printf('arn:aws:savingsplans::100200300400:savingsplan/%d', service) END
      AS savings_plan_savings_plan_a_r_n,
    CASE type WHEN 'SavingsPlanCoveredUsage' THEN cost(price * quantity * 0.7) END AS savings_plan_savings_plan_effective_cost,
    CASE type WHEN 'SavingsPlanCoveredUsage' THEN price * 0.7 END AS savings_plan_savings_plan_rate,
    CASE type WHEN 'SavingsPlanRecurringFee' THEN cost(price * quantity) END AS savings_plan_total_commitment_to_date,
    CASE type WHEN 'SavingsPlanRecurringFee' THEN cost(price * quantity * 0.9) END AS savings_plan_used_commitment,
    NULL::VARCHAR AS line_item_tax_type,
    MAP {'product_name': printf('Service %d', service), 'region': printf('region-%d', region), 'instance_family': 'General purpose',
      'operating_system': 'Linux', 'vcpu': '2', 'memory': '8 GiB'} AS product,
    CASE WHEN kind % 10 > 0 THEN MAP {'user_team': printf('team-%d', team), 'user_env': CASE WHEN kind < 60 THEN 'prod' ELSE 'dev' END,
      'user_app': printf('app-%d', workload % 120), 'user_name': printf('node-%d', place)} END AS resource_tags,
    MAP {'tier': printf('tier-%d', service % 4)} AS cost_category
  FROM line
) TO ':file' (FORMAT parquet, COMPRESSION zstd);
