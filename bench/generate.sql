-- One month of an invented company's bill, as a FOCUS 1.2 Parquet export has it: doubles for costs and quantities, tags as
-- JSON text. Nothing is random: every figure is a hash of its row's number. :month, :rows and :file are put in by
-- bench/run.
--
-- 2,000 workloads, each with one of 300 services, 200 accounts, 12 regions and, but for one in ten, 50 teams; a few of them
-- make most of the charges, and within each a few of its 50 resources do. Three billing accounts, three currencies. One
-- amount in twenty is a product that nobody rounded, with all the digits a double has.

CREATE OR REPLACE MACRO share(row, salt) AS (hash(row * 64 + salt) >> 11) / 9007199254740992.0;
CREATE OR REPLACE MACRO pick(row, salt, many) AS floor(share(row, salt) * many)::BIGINT;
CREATE OR REPLACE MACRO amount(row, product) AS CASE WHEN share(row, 9) < 0.05 THEN product ELSE round(product, 10) END;

COPY (
  WITH charge AS (
    SELECT
      charge,
      floor(2000 * share(charge, 1) ** 2)::BIGINT AS workload,
      floor(50 * share(charge, 2) ** 3)::BIGINT AS place,
      share(charge, 3) AS kind,
      round(24 * share(charge, 4), 4) AS quantity,
      TIMESTAMP ':month-01' + INTERVAL 1 MINUTE * ((charge - :first) * hours // :rows * 60) AS starts
    FROM range(:first, :first + :rows) numbers(charge),
      (SELECT datediff('hour', TIMESTAMP ':month-01', TIMESTAMP ':month-01' + INTERVAL 1 MONTH) AS hours)
  ), line AS (
    SELECT
      *,
      pick(workload, 11, 300) AS service,
      pick(workload, 12, 200) AS account,
      pick(workload, 13, 12) AS region,
      pick(workload, 14, 50) AS team,
      share(workload, 15) AS style,
      round(0.0001 + share(workload, 16) ** 6 * 12, 6) AS price,
      hash(workload * 50 + place) % 1000000007 AS resource
    FROM charge
  )
  SELECT
    'AWS' AS ProviderName,
    'Amazon Web Services, Inc.' AS PublisherName,
    'Amazon Web Services, Inc.' AS InvoiceIssuerName,
    printf('%012d', 100200300 + CASE WHEN account < 150 THEN 1 WHEN account < 185 THEN 2 ELSE 3 END) AS BillingAccountId,
    CASE WHEN account < 150 THEN 'Example Corp' WHEN account < 185 THEN 'Example Europe' ELSE 'Example UK' END
      AS BillingAccountName,
    CASE WHEN account < 150 THEN 'USD' WHEN account < 185 THEN 'EUR' ELSE 'GBP' END AS BillingCurrency,
    TIMESTAMP ':month-01' AS BillingPeriodStart,
    TIMESTAMP ':month-01' + INTERVAL 1 MONTH AS BillingPeriodEnd,
    starts AS ChargePeriodStart,
    starts + INTERVAL 1 HOUR AS ChargePeriodEnd,
    printf('INV-:month-%d', CASE WHEN account < 150 THEN 1 WHEN account < 185 THEN 2 ELSE 3 END) AS InvoiceId,
    CASE WHEN kind < 0.98 THEN 'Usage' WHEN kind < 0.99 THEN 'Tax' ELSE 'Credit' END AS ChargeCategory,
    NULL::VARCHAR AS ChargeClass,
    printf('%s per hour of service %d in region %d', CASE WHEN style < 0.8 THEN '$' ELSE 'Committed $' END, service, region)
      AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    CASE WHEN style < 0.8 THEN 'Standard' ELSE 'Committed' END AS PricingCategory,
    CASE WHEN style >= 0.8 THEN printf('arn:aws:savingsplans::%012d:savingsplan/%d', account, service) END
      AS CommitmentDiscountId,
    printf('Service %d', service) AS ServiceName,
    CASE service % 5 WHEN 0 THEN 'Storage' WHEN 1 THEN 'Databases' WHEN 2 THEN 'Networking' ELSE 'Compute' END
      AS ServiceCategory,
    printf('region-%d', region) AS RegionId,
    printf('Region %d', region) AS RegionName,
    printf('%012d', account) AS SubAccountId,
    printf('account %d', account) AS SubAccountName,
    printf('arn:aws:ec2:region-%d:%012d:instance/i-%09d', region, account, resource) AS ResourceId,
    'instance' AS ResourceType,
    printf('SKU%06d', service * 7 + region) AS SkuId,
    amount(charge, price * quantity * CASE WHEN style < 0.8 THEN 0.9 ELSE 0 END) AS BilledCost,
    amount(charge, price * quantity * CASE WHEN style < 0.8 THEN 0.9 ELSE 0.62 END) AS EffectiveCost,
    amount(charge, price * quantity) AS ListCost,
    amount(charge, price * quantity * 0.9) AS ContractedCost,
    price AS ListUnitPrice,
    quantity AS PricingQuantity,
    quantity AS ConsumedQuantity,
    'Hours' AS ConsumedUnit,
    CASE WHEN style NOT BETWEEN 0.3 AND 0.4 THEN printf(
      '{"team":"team-%d","env":"%s","app":"app-%d","Name":"node-%d"}',
      team, CASE WHEN style < 0.6 THEN 'prod' ELSE 'dev' END, workload % 120, place
    ) END AS Tags,
    printf('BoxUsage:%d', service % 40) AS x_UsageType,
    printf('RunInstances:%04d', service % 17) AS x_Operation
  FROM line
) TO ':file' (FORMAT parquet, COMPRESSION zstd);
